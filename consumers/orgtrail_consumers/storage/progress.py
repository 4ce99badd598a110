"""Progress: the broker time before which everything received is stored or dead-lettered."""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa

from orgtrail_consumers.kafka.positions import Position


def settled_through(
    previous: int | None,
    stored_through: int | None,
    in_progress: bool,
    position: Position | None,
    partitions_asked_at: int | None,
    margin_ms: int,
) -> int | None:
    """The time (ms) before which everything received in a partition is settled: a low watermark.

    - It never falls.
    - A busy partition is settled up to its last stored record, excluding that record's own
      millisecond.
    - An idle partition (nothing in progress, and position = last stable offset = high watermark)
      is settled up to when the last fetch was sent, minus a margin. A record that arrives after
      the fetch was also received after it.
    - No partition is settled past the time when Kafka was last asked for the number of partitions
      (``partitions_asked_at``), minus the same margin. A new partition may hold records that no
      worker reads yet.
    """
    candidates = []
    if stored_through is not None:
        candidates.append(stored_through)
    if (
        not in_progress
        and position is not None
        and position.position == position.last_stable_offset == position.high_watermark
    ):
        candidates.append(position.asked_at - margin_ms)
    if not candidates or partitions_asked_at is None:
        return previous
    reached = min(max(candidates), partitions_asked_at - margin_ms)
    return reached if previous is None else max(previous, reached)


def progress_rows(topic: str, partitions: int, settled: Mapping[int, int]) -> pa.Table:
    """The rows of ``audit.ingest_progress``. ``settled`` maps partition numbers to times (ms)."""
    instant = pa.timestamp("ms", "UTC")
    return pa.table(
        {
            "kafka_topic": [topic] * len(settled),
            "kafka_partition": pa.array(list(settled), pa.uint32()),
            "settled_through": pa.array(list(settled.values()), pa.int64()).cast(instant),
            "partitions": pa.array([partitions] * len(settled), pa.uint32()),
        }
    )
