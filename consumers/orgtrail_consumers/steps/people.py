"""People: who acted or was acted upon, for completion and search on the page."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

DAY_MS = 86_400_000

_PERSONS = pa.array(["user", "service_account", "support"])
_FIELDS = ("type", "id", "email", "name")
_DAY = pa.timestamp("ms", "UTC")


def people(rows: pa.Table) -> pa.Table:
    """The distinct persons of rows of the storage table: actors, impersonators and targets.

    As rows of ``audit.people``: as an organization knows them, with the last day they were seen.
    """
    seen = pc.multiply(pc.divide(rows["occurred_at"].cast(pa.int64()), DAY_MS), DAY_MS).cast(_DAY)
    found = [
        _persons(rows["org_id"], seen, [rows[f"{role}_{name}"] for name in _FIELDS])
        for role in ("actor", "impersonator")
    ]
    parent = pc.list_parent_indices(rows["targets.type"])
    targets = [pc.list_flatten(rows[f"targets.{name}"]) for name in _FIELDS]
    found.append(_persons(rows["org_id"].take(parent), seen.take(parent), targets))
    table = pa.concat_tables(found)
    return table.group_by(table.column_names).aggregate([])


def _persons(org: pa.ChunkedArray, seen: pa.ChunkedArray, fields: list[pa.Array]) -> pa.Table:
    table = pa.table([org, *fields, seen], ["org_id", *_FIELDS, "last_seen"])
    has_email = pc.not_equal(table["email"], "")
    is_one = pc.and_(pc.is_in(table["type"], _PERSONS), pc.not_equal(table["id"], ""))
    return table.filter(pc.or_(has_email, is_one))


_MEMORABLE = 1_000
"""Bytes of a person's fields together."""


class PersonCache:
    """The persons that this worker has written already; bounded, and forgotten when full.

    One with a name of thousands of characters is not remembered, but written each time.
    """

    def __init__(self, bound: int = 200_000) -> None:
        self._bound = bound
        self._keys: set[str] = set()

    def new(self, persons: pa.Table) -> pa.Table:
        """Those that have not been written yet."""
        return persons.filter(
            pa.array([key not in self._keys for key in _keys(persons)], pa.bool_())
        )

    def remember(self, persons: pa.Table) -> None:
        """Call when they are written."""
        short = {key for key in _keys(persons) if len(key) <= _MEMORABLE}
        if len(self._keys) + len(short) > self._bound:
            self._keys.clear()
        self._keys |= short


def _keys(persons: pa.Table) -> list[str]:
    """One text for each person: a Python object for each field would take five times the memory."""
    texts = [persons[name] for name in ("org_id", *_FIELDS)]
    # The lengths come first, so that no two persons have one key whatever their fields hold.
    lengths = [pc.binary_length(text).cast(pa.string()) for text in texts]
    day = persons["last_seen"].cast(pa.int64()).cast(pa.string())
    return pc.binary_join_element_wise(day, *lengths, *texts, " ").to_pylist()
