"""The rows of ``audit.dead_letters``."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from orgtrail_consumers.kafka.batch import Batch, Rejected


def dead_letter_rows(batch: Batch, rejected: Sequence[Rejected], now_ms: int) -> pa.Table:
    """One row per rejected record, without its payload. The organization is the Kafka key."""
    instant = pa.timestamp("ms", "UTC")
    records = [batch.records[item.position] for item in rejected]
    count = len(records)
    return pa.table(
        {
            "org_id": [(r.key or b"").decode("utf-8", errors="replace") for r in records],
            "received_at": pa.array([r.timestamp for r in records], pa.int64()).cast(instant),
            "reason": [item.reason for item in rejected],
            "kafka_topic": [batch.topic] * count,
            "kafka_partition": pa.array([batch.partition] * count, pa.uint32()),
            "kafka_offset": pa.array([r.offset for r in records], pa.uint64()),
            "dead_lettered_at": pa.array([now_ms] * count, pa.int64()).cast(instant),
        }
    )
