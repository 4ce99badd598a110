"""Spans say which route was asked, and nothing of whom it was asked about."""

import os
from pathlib import Path

import pytest
from litestar import get
from litestar.testing import create_test_client
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from orgtrail_query_service.telemetry import (
    _forget_ended_workers,
    metrics_of,
    trace_plugins,
    tracing,
)

SHARED = "PROMETHEUS_MULTIPROC_DIR"


@get("/found")
async def found() -> str:
    return "ok"


@pytest.mark.parametrize("convention", ["", "http", "http/dup"])
def test_a_span_holds_no_query_string(monkeypatch, convention):
    monkeypatch.setenv("OTEL_SEMCONV_STABILITY_OPT_IN", convention)
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


def test_one_worker_counts_in_memory(monkeypatch):
    monkeypatch.delenv(SHARED, raising=False)
    with metrics_of(1):
        assert SHARED not in os.environ


def test_several_workers_count_in_one_folder_that_ends_with_them(monkeypatch):
    monkeypatch.delenv(SHARED, raising=False)
    with metrics_of(2):
        folder = Path(os.environ[SHARED])
        assert folder.is_dir()
        (folder / "gauge_livesum_999999999.db").write_bytes(b"")
        (folder / f"gauge_livesum_{os.getpid()}.db").write_bytes(b"")
        (folder / "counter_999999999.db").write_bytes(b"")
        _forget_ended_workers()
        assert sorted(file.name for file in folder.iterdir()) == [
            "counter_999999999.db",
            f"gauge_livesum_{os.getpid()}.db",
        ]
    assert not folder.exists()
    assert SHARED not in os.environ


def test_a_folder_of_the_operators_is_used(monkeypatch, tmp_path):
    monkeypatch.setenv(SHARED, str(tmp_path))
    with metrics_of(2):
        assert os.environ[SHARED] == str(tmp_path)
    assert os.environ[SHARED] == str(tmp_path)
