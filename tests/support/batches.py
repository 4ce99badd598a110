"""Batches for unit tests, without a broker."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pyarrow as pa

from orgtrail_consumers.kafka.batch import Batch, Delivery
from orgtrail_consumers.kafka.records import Records
from orgtrail_consumers.steps import decode as steps_decode
from orgtrail_consumers.steps.decode import Decoded, FindSchema
from orgtrail_consumers.steps.enrich import Client, Resolvers
from orgtrail_schemas.codec import Frame
from orgtrail_schemas.event_schema import EventSchema, current_schema

NOW_MS = int(time.time() * 1000)


@dataclass(eq=False)
class FakeRecord:
    value: bytes | None
    key: bytes | None = b"acme"
    offset: int = 0
    timestamp: int = NOW_MS
    headers: list[tuple[str, bytes]] = field(default_factory=list)


def batch(
    *values: bytes | None,
    first_offset: int = 0,
    headers: Mapping[int, list[tuple[str, bytes]]] | None = None,
    keys: Mapping[int, bytes | None] | None = None,
) -> Batch:
    """Records with these values; ``headers`` and ``keys`` of some, by position."""
    records = [
        FakeRecord(
            value,
            (keys or {}).get(n, b"acme"),
            first_offset + n,
            headers=(headers or {}).get(n, []),
        )
        for n, value in enumerate(values)
    ]
    return Batch("audit.events.v1", 0, Records.of(records))


def delivery(*values: bytes | None, first_offset: int = 0) -> Delivery:
    return Delivery(batch(*values, first_offset=first_offset))


def decode(values: Sequence[bytes | None], find_schema: FindSchema) -> Decoded:
    """The step ``decode``, of values in a list."""
    return steps_decode.decode(pa.array(values, pa.binary()), find_schema)


def find_current(frame: Frame) -> EventSchema | None:
    return current_schema() if frame.fingerprint == current_schema().fingerprint else None


RESOLVERS = Resolvers(
    countries=lambda ips: ["FR" if ip.startswith("80.") else "" for ip in ips],
    client=lambda text: Client(text.split("/")[0], "", ""),
)
