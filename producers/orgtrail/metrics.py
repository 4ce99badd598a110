"""Exports the producer's counters to Prometheus and OpenTelemetry.

Neither library is a dependency of the SDK. Each is imported when its function is called.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from orgtrail.default import get_producer
from orgtrail.delivery.status import Counters
from orgtrail.producer import AuditProducer


class Metric(NamedTuple):
    """One metric: its name without prefix, its field in ``Counters``, and its help text."""

    name: str
    field: str
    meaning: str
    is_total: bool


METRICS = (
    Metric("events_accepted", "accepted", "Events that emit accepted.", True),
    Metric("events_acknowledged", "acknowledged", "Events that Kafka acknowledged.", True),
    Metric("events_set_aside", "set_aside", "Events that Kafka rejected, kept on disk.", True),
    Metric("events_lost", "lost", "Accepted events that will never be delivered.", True),
    Metric("spool_damaged", "damaged", "Damaged ranges in spool files.", True),
    Metric("events_waiting", "waiting", "Events waiting to be delivered.", False),
    Metric(
        "oldest_waiting_seconds",
        "oldest_waiting_seconds",
        "How long the oldest undelivered event has been waiting.",
        False,
    ),
)
PREFIX = "orgtrail_producer_"


def register_prometheus(registry: Any = None, producer: AuditProducer | None = None) -> Any:
    """Register the metrics with ``prometheus_client`` and return the collector.

    ``registry`` defaults to the default registry of ``prometheus_client``. ``producer`` defaults
    to the process-wide producer.
    """
    from prometheus_client import REGISTRY
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

    read = _reader(producer)

    class Collector:
        def collect(self) -> Iterator[Any]:
            counters = read()
            for metric in METRICS:
                family = CounterMetricFamily if metric.is_total else GaugeMetricFamily
                value = getattr(counters, metric.field)
                yield family(PREFIX + metric.name, metric.meaning, value=value)

    collector = Collector()
    (REGISTRY if registry is None else registry).register(collector)
    return collector


def register_opentelemetry(meter: Any, producer: AuditProducer | None = None) -> None:
    """Create the metrics on an OpenTelemetry meter, as observable instruments.

    ``producer`` defaults to the process-wide producer.
    """
    from opentelemetry.metrics import Observation

    read = _reader(producer)

    def observe(field: str) -> Callable[[Any], list[Any]]:
        return lambda _options: [Observation(getattr(read(), field))]

    for metric in METRICS:
        create = (
            meter.create_observable_counter if metric.is_total else meter.create_observable_gauge
        )
        create(PREFIX + metric.name, callbacks=[observe(metric.field)], description=metric.meaning)


def _reader(producer: AuditProducer | None) -> Callable[[], Counters]:
    def read() -> Counters:
        # Look it up at each collection: the process-wide producer may have been replaced.
        return (producer or get_producer()).counters()

    return read
