"""Batches for unit tests, without a broker."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from orgtrail_consumers.kafka.batch import Batch, Delivery
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


def batch(*values: bytes | None, first_offset: int = 0) -> Batch:
    records = [FakeRecord(value, offset=first_offset + n) for n, value in enumerate(values)]
    return Batch("audit.events.v1", 0, records)


def delivery(*values: bytes | None, first_offset: int = 0) -> Delivery:
    return Delivery(batch(*values, first_offset=first_offset))


def find_current(frame: Frame) -> EventSchema | None:
    return current_schema() if frame.fingerprint == current_schema().fingerprint else None


RESOLVERS = Resolvers(
    countries=lambda ips: ["FR" if ip.startswith("80.") else "" for ip in ips],
    client=lambda text: Client(text.split("/")[0], "", ""),
)
