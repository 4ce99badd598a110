"""The framing of an event on the wire: which schema a record was written with, and its datum.

Two framings are known, told apart by the first byte: Avro single-object encoding (``C3 01`` and
the CRC-64-AVRO fingerprint), and Confluent's (``00`` and a schema id of four bytes, big-endian).
"""

from __future__ import annotations

import io
from typing import Any, NamedTuple

import fastavro

from orgtrail_schemas.event_schema import SINGLE_OBJECT_MARKER, EventSchema

SINGLE_OBJECT_HEADER = 10
CONFLUENT_HEADER = 5


class UnknownFramingError(ValueError):
    """The value begins like neither framing, or ends within its header."""


class Frame(NamedTuple):
    """The header of a framed value.

    Exactly one of ``fingerprint`` (16 hex digits) and ``registry_id`` is set. ``size`` is the
    header's length in bytes; the datum follows.
    """

    fingerprint: str | None
    registry_id: int | None
    size: int


def read_frame(value: bytes) -> Frame:
    """The frame of a value.

    Raises:
        UnknownFramingError: it has none that we know.
    """
    if value[:2] == SINGLE_OBJECT_MARKER and len(value) >= SINGLE_OBJECT_HEADER:
        return Frame(value[2:SINGLE_OBJECT_HEADER].hex(), None, SINGLE_OBJECT_HEADER)
    if value[:1] == b"\x00" and len(value) >= CONFLUENT_HEADER:
        return Frame(None, int.from_bytes(value[1:CONFLUENT_HEADER], "big"), CONFLUENT_HEADER)
    raise UnknownFramingError(f"neither Avro single-object nor Confluent framing: {len(value)} B")


def encode(schema: EventSchema, record: dict[str, Any]) -> bytes:
    """The record in single-object encoding.

    Raises:
        ValueError, TypeError: the record does not fit the schema.
    """
    out = io.BytesIO()
    out.write(schema.header)
    fastavro.schemaless_writer(out, schema.parsed, record)
    return out.getvalue()


def encode_confluent(schema: EventSchema, registry_id: int, record: dict[str, Any]) -> bytes:
    """The record in Confluent framing, with the id that the registry gave the schema."""
    out = io.BytesIO()
    out.write(b"\x00" + registry_id.to_bytes(4, "big"))
    fastavro.schemaless_writer(out, schema.parsed, record)
    return out.getvalue()


def decode_datum(writer: EventSchema, reader: EventSchema, datum: bytes) -> dict[str, Any]:
    """One datum written with ``writer``, as ``reader`` sees it; event ids stay text.

    Raises:
        Exception: whatever fastavro raises on bytes that are no such datum; it has no common base.
    """
    schema = None if reader is writer else reader.plain
    record = fastavro.schemaless_reader(io.BytesIO(datum), writer.plain, schema)
    if not isinstance(record, dict):
        raise TypeError("the datum is not a record")
    return record
