"""People: who acted or was acted upon, for completion and search on the page."""

from __future__ import annotations

from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

DAY_MS = 86_400_000

_PERSONS = ("user", "service_account", "support")


class Person(NamedTuple):
    """One person as an organisation knows them, with the last day they were seen (ms, UTC)."""

    org_id: str
    type: str
    id: str
    email: str
    name: str
    last_seen: int


def people(rows: pa.Table) -> set[Person]:
    """The distinct persons of rows of the storage table: actors, impersonators and targets."""
    seen = pc.multiply(pc.divide(rows["occurred_at"].cast(pa.int64()), DAY_MS), DAY_MS)
    tables = [
        _distinct(rows["org_id"], seen, [rows[f"{role}_{name}"] for name in _FIELDS])
        for role in ("actor", "impersonator")
    ]
    parent = pc.list_parent_indices(rows["targets.type"])
    targets = [pc.list_flatten(rows[f"targets.{name}"]) for name in _FIELDS]
    tables.append(_distinct(rows["org_id"].take(parent), seen.take(parent), targets))
    found = (Person(*row.values()) for table in tables for row in table.to_pylist())
    return {p for p in found if (p.id or p.email) and (p.type in _PERSONS or p.email)}


_FIELDS = ("type", "id", "email", "name")


def _distinct(org: pa.Array, seen: pa.Array, fields: list[pa.Array]) -> pa.Table:
    names = ["org_id", *_FIELDS, "last_seen"]
    return pa.table([org, *fields, seen], names).group_by(names).aggregate([])


_MEMORABLE = 1_000
"""Characters of a person's fields together."""


class Seen:
    """The persons that this worker has written already; bounded, and forgotten when full.

    One with a name of thousands of characters is not remembered, but written each time.
    """

    def __init__(self, bound: int = 200_000) -> None:
        self._bound = bound
        self._persons: set[Person] = set()

    def new(self, persons: set[Person]) -> set[Person]:
        """Those that have not been written yet."""
        return persons - self._persons

    def remember(self, persons: set[Person]) -> None:
        """Call when they are written."""
        short = {p for p in persons if sum(map(len, p[:-1])) <= _MEMORABLE}
        if len(self._persons) + len(short) > self._bound:
            self._persons.clear()
        self._persons |= short


def people_rows(persons: set[Person]) -> pa.Table:
    """The persons as rows of ``audit.people``."""
    columns = list(zip(*sorted(persons), strict=True))
    table = pa.table(
        {name: list(column) for name, column in zip(Person._fields, columns, strict=True)}
    )
    instant = table["last_seen"].cast(pa.timestamp("ms", "UTC"))
    return table.set_column(table.schema.get_field_index("last_seen"), "last_seen", instant)
