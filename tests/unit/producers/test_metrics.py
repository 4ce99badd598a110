from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from prometheus_client import CollectorRegistry, generate_latest

from orgtrail import Actor, AuditProducer, ProducerSettings
from orgtrail.delivery.status import Counters
from orgtrail.metrics import METRICS, register_opentelemetry, register_prometheus

ALICE = Actor(id="u-1")


def producer(tmp_path):
    made = AuditProducer(ProducerSettings.load(kafka_brokers="127.0.0.1:1", spool_dir=tmp_path))
    for _ in range(3):
        made.emit("user.login", org_id="acme", actor=ALICE)
    return made


def test_every_counter_is_a_metric():
    assert {metric.field for metric in METRICS} == set(Counters._fields)


def test_prometheus(tmp_path):
    registry = CollectorRegistry()
    audit = producer(tmp_path)
    register_prometheus(registry, audit)
    text = generate_latest(registry).decode()
    assert "orgtrail_producer_events_accepted_total 3.0" in text
    assert "orgtrail_producer_events_waiting 3.0" in text
    assert "orgtrail_producer_events_lost_total 0.0" in text
    audit.close(0)


def test_opentelemetry(tmp_path):
    reader = InMemoryMetricReader()
    audit = producer(tmp_path)
    register_opentelemetry(MeterProvider([reader]).get_meter("service"), audit)
    (resource,) = reader.get_metrics_data().resource_metrics
    found = {
        metric.name: metric.data.data_points[0].value
        for metric in resource.scope_metrics[0].metrics
    }
    assert found["orgtrail_producer_events_accepted"] == 3
    assert found["orgtrail_producer_events_waiting"] == 3
    audit.close(0)
