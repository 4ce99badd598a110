"""The producer's counters for Prometheus and for OpenTelemetry.

Neither library is imported until its function is called, and neither comes with the SDK.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from orgtrail.default import get_producer
from orgtrail.delivery.status import Counters
from orgtrail.producer import AuditProducer


class Metric(NamedTuple):
    """One metric: its name without a prefix and unit, its field of ``Counters``, its meaning."""

    name: str
    field: str
    meaning: str
    is_total: bool


METRICS = (
    Metric("events_accepted", "accepted", "Events that emit took.", True),
    Metric("events_acknowledged", "acknowledged", "Events that Kafka acknowledged.", True),
    Metric("events_set_aside", "set_aside", "Events that Kafka refuses, kept on disk.", True),
    Metric("events_lost", "lost", "Accepted events that will never arrive.", True),
    Metric("spool_damaged", "damaged", "Places in the spool that hold no event any more.", True),
    Metric("events_waiting", "waiting", "Events that wait for Kafka now.", False),
    Metric(
        "oldest_waiting_seconds",
        "oldest_waiting_seconds",
        "How long the oldest waiting event has waited.",
        False,
    ),
)
PREFIX = "orgtrail_producer_"


def register_prometheus(registry: Any = None, producer: AuditProducer | None = None) -> Any:
    """Add the metrics to a registry of ``prometheus_client`` (its default one); the collector.

    ``producer`` is the process-wide one when not given.
    """
    from prometheus_client import REGISTRY
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

    read = _reader(producer)

    class Collector:
        def collect(self) -> Iterator[Any]:
            counted = read()
            for metric in METRICS:
                family = CounterMetricFamily if metric.is_total else GaugeMetricFamily
                value = getattr(counted, metric.field)
                yield family(PREFIX + metric.name, metric.meaning, value=value)

    collector = Collector()
    (REGISTRY if registry is None else registry).register(collector)
    return collector


def register_opentelemetry(meter: Any, producer: AuditProducer | None = None) -> None:
    """Add the metrics to a meter of OpenTelemetry, as observable instruments.

    ``producer`` is the process-wide one when not given.
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
        # Asked at each reading: the process-wide producer may be another one by then.
        return (producer or get_producer()).counters()

    return read
