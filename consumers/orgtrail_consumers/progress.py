"""Progress: up to which broker time everything received is stored or set aside."""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa

from orgtrail_consumers.transport import Position


def settled_through(
    previous: int | None,
    stored_through: int | None,
    under_way: bool,
    position: Position | None,
    partitions_asked_at: int | None,
    margin_ms: int,
) -> int | None:
    """The time (ms) before which everything received in a partition is settled; never falls.

    A busy partition is settled up to its last stored record, that record's own millisecond
    excepted. An idle one (nothing under way, and position = stable end = end) is settled up to the
    time of the last answer less a margin: what arrives later is received later. None is settled
    past the time that Kafka was last asked for the topic's partitions (``partitions_asked_at``),
    less the same margin: an added one may hold records that nobody reads yet.
    """
    candidates = []
    if stored_through is not None:
        candidates.append(stored_through)
    if (
        not under_way
        and position is not None
        and position.position == position.stable_end == position.end
    ):
        candidates.append(position.asked_at - margin_ms)
    if not candidates or partitions_asked_at is None:
        return previous
    reached = min(max(candidates), partitions_asked_at - margin_ms)
    return reached if previous is None else max(previous, reached)


def progress_rows(topic: str, partitions: int, settled: Mapping[int, int]) -> pa.Table:
    """The rows of ``audit.ingest_progress``; ``settled`` is by partition number."""
    instant = pa.timestamp("ms", "UTC")
    return pa.table(
        {
            "kafka_topic": [topic] * len(settled),
            "kafka_partition": pa.array(list(settled), pa.uint32()),
            "settled_through": pa.array(list(settled.values()), pa.int64()).cast(instant),
            "partitions": pa.array([partitions] * len(settled), pa.uint32()),
        }
    )
