"""Confluent framing, as producers with a schema registry write it."""

from __future__ import annotations

import io
from typing import Any

import fastavro

from orgtrail_schemas.event_schema import EventSchema


def encode_confluent(schema: EventSchema, registry_id: int, record: dict[str, Any]) -> bytes:
    """The record with the ID that the registry gave the schema."""
    out = io.BytesIO()
    out.write(b"\x00" + registry_id.to_bytes(4, "big"))
    fastavro.schemaless_writer(out, schema.parsed, record)
    return out.getvalue()
