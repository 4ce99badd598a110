"""Traces: one span per record whose producer is traced, as a child of the producer's span.

Enabled if OpenTelemetry's own variables name an endpoint (``OTEL_EXPORTER_OTLP_ENDPOINT``). Names
and attributes follow its semantic conventions for messaging. None of them holds event data.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

from opentelemetry.propagate import extract
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Span, SpanKind, Tracer

from orgtrail_consumers.kafka.batch import Batch, Rejected

EndTrace = Callable[[int], None]
"""Called with the time (ns) at which the work on a batch ended."""

TraceBatch = Callable[[Batch, Sequence[Rejected], int], EndTrace]
"""Called with a batch, its rejected records, and the time (ns) at which the work on it began."""

_AT_MOST = 100
"""Maximum spans per batch, so that services that trace everything do not flood the endpoint."""

_SAMPLED = b"-01"


def tracer() -> Tracer | None:
    """The tracer that OpenTelemetry's variables configure; ``None`` if they name no endpoint."""
    if not any(
        os.environ.get(name)
        for name in ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
    ):
        return None
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    provider = TracerProvider(resource=Resource.create({"service.name": "orgtrail-consumer"}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return provider.get_tracer("orgtrail_consumers")


def trace_batches(span_tracer: Tracer | None) -> TraceBatch:
    """The function that the pipeline calls for each batch. Spans that do not end are not sent."""
    if span_tracer is None:
        return lambda *_: lambda _: None

    def trace(batch: Batch, rejected: Sequence[Rejected], began: int) -> EndTrace:
        reasons = {item.position: item.reason for item in rejected}
        spans: list[Span] = []
        for position, record in enumerate(batch.records):
            parent = next((v for name, v in record.headers if name == "traceparent"), None)
            if parent is None or not parent.endswith(_SAMPLED):
                continue
            span = span_tracer.start_span(
                f"process {batch.topic}",
                context=extract({"traceparent": parent.decode("ascii", errors="replace")}),
                kind=SpanKind.CONSUMER,
                start_time=began,
                attributes={
                    "messaging.system": "kafka",
                    "messaging.operation.type": "process",
                    "messaging.destination.name": batch.topic,
                    "messaging.destination.partition.id": str(batch.partition),
                    "messaging.kafka.offset": record.offset,
                },
            )
            if position in reasons:
                span.set_attribute("orgtrail.dead_letter.reason", reasons[position])
            spans.append(span)
            if len(spans) == _AT_MOST:
                break

        def end(ended: int) -> None:
            for span in spans:
                span.end(ended)

        return end

    return trace
