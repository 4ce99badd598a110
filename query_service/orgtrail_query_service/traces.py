"""Traces: a span for each request, on when OpenTelemetry's own variables name a receiver."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from litestar.plugins import PluginProtocol

if TYPE_CHECKING:
    from litestar.plugins.opentelemetry import OpenTelemetryPlugin
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Span

_WITH_QUERY = ("http.url", "http.target", "url.full")


def trace_plugins() -> Sequence[PluginProtocol]:
    """What ``OTEL_EXPORTER_OTLP_ENDPOINT`` asks for: the plug-in, or nothing."""
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

    The query string, which may hold a person's email, is cut off.
    """
    from litestar.plugins.opentelemetry import OpenTelemetryConfig, OpenTelemetryPlugin

    def cut_query(span: Span, _scope: dict[str, Any]) -> None:
        for name, value in dict(getattr(span, "attributes", None) or {}).items():
            if name in _WITH_QUERY:
                span.set_attribute(name, str(value).partition("?")[0])

    return OpenTelemetryPlugin(
        OpenTelemetryConfig(tracer_provider=provider, server_request_hook_handler=cut_query)
    )
