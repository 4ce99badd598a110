"""Logs and traces of the query service."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import structlog
from litestar.plugins import PluginProtocol

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

    return OpenTelemetryPlugin(
        OpenTelemetryConfig(tracer_provider=provider, server_request_hook_handler=cut_query)
    )
