"""Spans continue what producers began, and say nothing of the event."""

from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from tests.support.batches import FakeRecord

from orgtrail_consumers.kafka.batch import Batch, Rejected
from orgtrail_consumers.kafka.records import Records
from orgtrail_consumers.traces import trace_batches, tracer

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
SAMPLED = f"00-{TRACE}-{SPAN}-01".encode()


def spans(*records, rejected=()):
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    trace_batches(provider.get_tracer("test"))(Batch("t", 3, Records.of(records)), rejected, 1_000)(
        2_000
    )
    return exporter.get_finished_spans()


def record(offset, *headers):
    return FakeRecord(b"alice@acme.example", offset=offset, headers=list(headers))


def test_a_span_is_the_child_of_the_producers():
    (span,) = spans(record(7, ("traceparent", SAMPLED)), record(8))
    assert format(span.context.trace_id, "032x") == TRACE
    assert format(span.parent.span_id, "016x") == SPAN
    assert (span.start_time, span.end_time) == (1_000, 2_000)
    assert span.attributes["messaging.kafka.offset"] == 7
    assert "acme" not in span.to_json()


def test_what_was_set_aside_says_why():
    aside = [Rejected(0, "malformed", "")]
    (span,) = spans(record(7, ("traceparent", SAMPLED)), rejected=aside)
    assert span.attributes["orgtrail.dead_letter.reason"] == "malformed"


def test_what_is_not_sampled_or_no_trace_has_no_span():
    off = SAMPLED[:-1] + b"0"
    assert spans(record(1, ("traceparent", off)), record(2, ("traceparent", b"\xff"))) == ()


def test_a_receiver_is_not_flooded():
    assert len(spans(*(record(n, ("traceparent", SAMPLED)) for n in range(500)))) == 100


def test_without_a_receiver_nothing_is_traced(monkeypatch):
    monkeypatch.delenv("OTEL_EXPORTER_OTLP_ENDPOINT", raising=False)
    assert tracer() is None
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    assert tracer() is not None
