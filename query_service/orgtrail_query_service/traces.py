"""Traces: a span for each request, on when OpenTelemetry's own variables name a receiver."""

from __future__ import annotations

import os
from collections.abc import Sequence

from litestar.plugins import PluginProtocol


def trace_plugins() -> Sequence[PluginProtocol]:
    """What ``OTEL_EXPORTER_OTLP_ENDPOINT`` asks for: the plug-in, or nothing.

    Spans carry a route's template and the status; the query string, which may hold a person's
    email, is cut off.
    """
    if not any(
        os.environ.get(name)
        for name in ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
    ):
        return []
    from litestar.plugins.opentelemetry import OpenTelemetryConfig, OpenTelemetryPlugin
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    provider = TracerProvider(resource=Resource.create({"service.name": "orgtrail-query"}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return [OpenTelemetryPlugin(OpenTelemetryConfig(tracer_provider=provider))]
