"""Logs and traces of the query service."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import structlog
from litestar import Response, get
from litestar.plugins import PluginProtocol
from litestar.plugins.prometheus import PrometheusController

if TYPE_CHECKING:
    from litestar.plugins.opentelemetry import OpenTelemetryPlugin
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Span

METRICS = {
    "orgtrail_query_requests_total": "Requests, by method, route and status.",
    "orgtrail_query_request_duration_seconds": "Time to answer a request, likewise.",
    "orgtrail_query_requests_error_total": "Requests that were answered with an error, likewise.",
    "orgtrail_query_requests_in_progress": "Requests that are being answered.",
}
"""What Litestar's plugin measures, for the documents; a test compares it with ``/metrics``."""

_SHARED = "PROMETHEUS_MULTIPROC_DIR"
_WITH_QUERY = ("http.url", "http.target", "url.full")


def configure_logs() -> None:
    """Structured logs, one JSON object per line on standard error.

    No processor renders exceptions: their texts may contain data of an event.
    """
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(),
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


class Metrics(PrometheusController):
    """``/metrics``, for the operator's network only: route names and counts, nothing personal."""

    include_in_schema = False

    @get()
    async def get(self) -> Response[bytes]:
        """The sums over all worker processes."""
        _forget_ended_workers()
        answer: Response[bytes] = await PrometheusController.get.fn(self)
        return answer


@contextmanager
def metrics_of(workers: int) -> Iterator[None]:
    """Several workers count in files of one folder, so that each can answer for all of them."""
    if workers == 1 or _SHARED in os.environ:
        yield
        return
    with TemporaryDirectory(prefix="orgtrail-metrics-") as folder:
        os.environ[_SHARED] = folder
        try:
            yield
        finally:
            del os.environ[_SHARED]


def _forget_ended_workers() -> None:
    # What a worker was answering when it was killed is in progress no more; its totals stay.
    folder = os.environ.get(_SHARED)
    for file in Path(folder).glob("gauge_live*_*.db") if folder else ():
        process = file.stem.rpartition("_")[2]
        if process.isdigit() and not Path(f"/proc/{process}").exists() and Path("/proc").exists():
            file.unlink(missing_ok=True)


def trace_plugins() -> Sequence[PluginProtocol]:
    """The tracing plugin, if ``OTEL_EXPORTER_OTLP_ENDPOINT`` or its like names a receiver."""
    if not any(
        os.environ.get(name)
        for name in ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
    ):
        return []
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    provider = TracerProvider(resource=Resource.create({"service.name": "orgtrail-query"}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return [tracing(provider)]


def tracing(provider: TracerProvider) -> OpenTelemetryPlugin:
    """A span for each request, with its path and status.

    The query string is cut off: it may contain a person's email.
    """
    from litestar.plugins.opentelemetry import OpenTelemetryConfig, OpenTelemetryPlugin

    def cut_query(span: Span, _scope: dict[str, Any]) -> None:
        for name, value in dict(getattr(span, "attributes", None) or {}).items():
            if name in _WITH_QUERY:
                span.set_attribute(name, str(value).partition("?")[0])
            elif name == "url.query":
                span.set_attribute(name, "")

    return OpenTelemetryPlugin(
        OpenTelemetryConfig(tracer_provider=provider, server_request_hook_handler=cut_query)
    )
