"""Spans say which route was asked, and nothing of whom it was asked about."""

from litestar import get
from litestar.testing import create_test_client
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from orgtrail_query_service.telemetry import trace_plugins, tracing


@get("/found")
async def found() -> str:
    return "ok"


def test_a_span_holds_no_query_string():
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    with create_test_client([found], plugins=[tracing(provider)]) as client:
        assert client.get("/found?user=alice%40x").text == "ok"
    told = [str(span.attributes) for span in exporter.get_finished_spans()]
    assert any("/found" in text for text in told)
    assert not [text for text in told if "alice" in text]


def test_without_a_receiver_there_is_nothing(monkeypatch):
    monkeypatch.delenv("OTEL_EXPORTER_OTLP_ENDPOINT", raising=False)
    assert trace_plugins() == []
