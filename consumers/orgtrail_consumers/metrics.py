"""Every metric of the consumer. Labels and values never contain event data."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import Counter, Gauge, Histogram, Metric

from orgtrail_schemas.reasons import REASONS

EVENTS = Counter("orgtrail_consumer_events_total", "Events stored.")
DEAD_LETTERS = Counter("orgtrail_consumer_dead_letters_total", "Records dead-lettered.", ["reason"])
FAILURES = Counter(
    "orgtrail_consumer_failures_total", "Failed attempts at a step, by error class.", ["error"]
)
SHARD_FAILURES = Counter(
    "orgtrail_consumer_shard_failures_total",
    "Insertions that a shard of ClickHouse did not acknowledge; a single server is shard 1.",
    ["shard"],
)
REFUSED_DEAD_LETTERS = Counter(
    "orgtrail_consumer_refused_dead_letters_total",
    "Dead letters that the dead-letter topic rejected; they are in the worker's local folder.",
)
LOST = Counter(
    "orgtrail_consumer_lost_offsets_total",
    "Offsets that the topic deleted before they were read or dead-lettered.",
    ["partition"],
)
REFUSED_ROWS = Counter(
    "orgtrail_consumer_refused_rows_total",
    "Rows of people or dead letters that ClickHouse refuses; their events are stored.",
)
KEY_MISMATCHES = Counter(
    "orgtrail_consumer_key_mismatches_total",
    "Records whose Kafka key is not the ID of their event's organization.",
)
FRESHNESS = Histogram(
    "orgtrail_consumer_freshness_seconds",
    "Seconds from Kafka's receipt of a batch's oldest record until its rows can be read.",
    buckets=[0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60, 600, 3600],
)
STALE = Counter("orgtrail_consumer_stale_batches_total", "Batches dropped after a rebalance.")
BATCH_RECORDS = Histogram(
    "orgtrail_consumer_batch_records", "Records in a batch.", buckets=[10**n for n in range(6)]
)
STEP_SECONDS = Histogram("orgtrail_consumer_step_seconds", "Seconds spent in a step.", ["step"])
LAG = Gauge("orgtrail_consumer_lag_records", "Records in Kafka not stored yet.", ["partition"])
SETTLED = Gauge(
    "orgtrail_consumer_settled_through_timestamp_seconds",
    "Time up to which readers see everything that Kafka received (Unix time).",
    ["partition"],
)

# Prometheus sees no increase in a counter that appears with its first event.
for reason in REASONS:
    DEAD_LETTERS.labels(reason)


def families() -> Iterator[Metric]:
    """The description of each metric, for the documents."""
    for metric in list(globals().values()):
        if isinstance(metric, Counter | Gauge | Histogram):
            yield from metric.describe()
