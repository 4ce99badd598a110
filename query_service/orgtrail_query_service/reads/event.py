"""One event as the API gives it, from a row of the storage table."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec

from orgtrail_query_service.reads.search import Place
from orgtrail_schemas.catalogue import catalogue
from orgtrail_schemas.tables import event_columns, stored_columns


class Actor(msgspec.Struct, frozen=True):
    """Whose account acted, or who impersonated them."""

    type: str
    id: str
    email: str
    name: str


class Target(msgspec.Struct, frozen=True):
    """Who or what was acted upon."""

    type: str
    id: str
    email: str
    name: str


class Change(msgspec.Struct, frozen=True):
    """One changed field; ``[redacted]`` stands for a secret value."""

    field: str
    old: str | None
    new: str | None


class Context(msgspec.Struct, frozen=True):
    """Where the request came from."""

    ip: str
    country: str
    user_agent: str
    browser: str
    os: str
    device: str
    service: str
    request_id: str
    session_id: str
    trace_id: str


class Source(msgspec.Struct, frozen=True):
    """The record's position in Kafka."""

    topic: str
    partition: int
    offset: int


class Event(msgspec.Struct, frozen=True):
    """One audit event. Times are in UTC."""

    event_id: UUID
    occurred_at: datetime
    org_id: str
    event: str
    event_name: str
    level: str
    listed: bool
    outcome: str
    actor: Actor
    impersonator: Actor | None
    targets: list[Target]
    changes: list[Change]
    context: Context
    metadata: dict[str, str]
    received_at: datetime
    ingested_at: datetime
    source: Source
    schema_fingerprint: str

    @property
    def place(self) -> Place:
        """Its keyset position."""
        return Place(self.occurred_at, self.event_id)


TABLE_COLUMNS = (
    "event_id", "occurred_at", "event", "outcome",
    "actor_type", "actor_id", "actor_email", "actor_name",
    "impersonator_type", "impersonator_id", "impersonator_email", "impersonator_name",
    "targets.type", "targets.id", "targets.email", "targets.name",
    "ip", "country", "browser", "os",
)  # fmt: skip
"""What the table of the page shows. Each column of a query costs time to plan and to read."""

_EMPTY = {"Array": [], "Map": {}, "UInt": 0, "DateTime": datetime.min}


def _empty(kind: str) -> Any:
    return next((value for start, value in _EMPTY.items() if kind.startswith(start)), "")


_NOT_ASKED = {c.name: _empty(c.type) for c in event_columns() if not c.computed}


def event_from_row(row: Sequence[Any], columns: Sequence[str] = stored_columns()) -> Event:
    """The event of a row that has these columns, in order. The fields of all others are empty."""
    r = _NOT_ASKED | dict(zip(columns, row, strict=True))
    known = catalogue().events.get(r["event"])
    impersonator = [r[f"impersonator_{n}"] for n in _PERSON]
    return Event(
        event_id=r["event_id"],
        occurred_at=utc(r["occurred_at"]),
        org_id=r["org_id"],
        event=r["event"],
        event_name=r["event"] if known is None else known.name,
        level=r["level"],
        listed=known is not None,
        outcome=r["outcome"],
        actor=Actor(**{n: r[f"actor_{n}"] for n in _PERSON}),
        impersonator=Actor(*impersonator) if any(impersonator) else None,
        targets=[Target(*t) for t in zip(*(r[f"targets.{n}"] for n in _PERSON), strict=True)],
        changes=[
            Change(*c)
            for c in zip(*(r[f"changes.{n}"] for n in ("field", "old", "new")), strict=True)
        ],
        context=Context(**{n: r[n] for n in Context.__struct_fields__}),
        metadata=r["metadata"],
        received_at=utc(r["received_at"]),
        ingested_at=utc(r["ingested_at"]),
        source=Source(r["kafka_topic"], r["kafka_partition"], r["kafka_offset"]),
        schema_fingerprint=r["schema_fingerprint"],
    )


_PERSON = ("type", "id", "email", "name")


def utc(moment: datetime) -> datetime:
    """Add the zone to a time of the database driver, which is naive and in UTC."""
    return moment.replace(tzinfo=UTC)
