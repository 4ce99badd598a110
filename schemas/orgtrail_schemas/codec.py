"""The framing of an event on the wire: a header that names the writer's schema, then the datum.

There are two framings, which differ in their first byte. Avro single-object encoding has ``C3 01``
and the CRC-64-AVRO fingerprint. Confluent's has ``00`` and a schema ID of four bytes, big-endian.
"""

from __future__ import annotations

import io
from typing import Any, NamedTuple

import fastavro

from orgtrail_schemas.event_schema import SINGLE_OBJECT_MARKER, EventSchema

SINGLE_OBJECT_HEADER = 10
CONFLUENT_HEADER = 5


class UnknownFramingError(ValueError):
    """The value begins with neither framing, or is shorter than its header."""


class TrailingBytesError(ValueError):
    """Bytes are left after the datum: it was written with another schema, or is damaged."""

    def __init__(self, count: int) -> None:
        super().__init__(f"{count} bytes are left after the datum")


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
        UnknownFramingError: the value has neither framing.
    """
    if value[:2] == SINGLE_OBJECT_MARKER and len(value) >= SINGLE_OBJECT_HEADER:
        return Frame(value[2:SINGLE_OBJECT_HEADER].hex(), None, SINGLE_OBJECT_HEADER)
    if value[:1] == b"\x00" and len(value) >= CONFLUENT_HEADER:
        return Frame(None, int.from_bytes(value[1:CONFLUENT_HEADER], "big"), CONFLUENT_HEADER)
    raise UnknownFramingError(f"neither Avro single-object nor Confluent framing: {len(value)} B")


def encode(schema: EventSchema, record: dict[str, Any]) -> bytes:
    """Encode the record in Avro single-object encoding.

    Raises:
        ValueError, TypeError: the record does not fit the schema.
    """
    out = io.BytesIO()
    out.write(schema.header)
    fastavro.schemaless_writer(out, schema.parsed, record)
    return out.getvalue()


def decode_datum(writer: EventSchema, reader: EventSchema, datum: bytes) -> dict[str, Any]:
    """Decode one datum written with ``writer`` into the schema ``reader``. Event IDs stay text.

    Raises:
        TrailingBytesError: bytes are left after the datum.
        Exception: whatever fastavro raises if the bytes do not decode. Its exceptions have no
            common base class.
    """
    schema = None if reader is writer else reader.plain
    source = io.BytesIO(datum)
    record = fastavro.schemaless_reader(source, writer.plain, schema)
    left = len(datum) - source.tell()
    if left:
        raise TrailingBytesError(left)
    if not isinstance(record, dict):
        raise TypeError("the datum is not a record")
    return record
