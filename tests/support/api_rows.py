"""Rows of the storage table as the database driver gives them."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from orgtrail_schemas.tables import event_columns

_EMPTY = {"Bool": True, "Map(": {}, "Array(": [], "UInt": 0, "DateTime": datetime(2026, 11, 23)}


def row(occurred_at: datetime, event_id: UUID, **columns: object) -> tuple:
    """A row with these values; all other columns are empty."""
    given = {"occurred_at": occurred_at.replace(tzinfo=None), "event_id": event_id} | columns
    return tuple(given.get(c.name, _empty(c.type)) for c in event_columns() if not c.computed)


def _empty(kind: str) -> object:
    return next((value for start, value in _EMPTY.items() if kind.startswith(start)), "")
