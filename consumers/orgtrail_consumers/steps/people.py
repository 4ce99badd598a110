"""People who acted or were acted upon, for completion and search on the page."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc

DAY_MS = 86_400_000

_PERSONS = pa.array(["user", "service_account", "support"])
_FIELDS = ("type", "id", "email", "name")
_DAY = pa.timestamp("ms", "UTC")


def people(rows: pa.Table) -> pa.Table:
    """The distinct people in rows of the storage table: actors, impersonators and targets.

    Returns rows of ``audit.people``: each person as an organization knows them, with the last day
    on which they were seen, and an event that they were seen in.
    """
    seen = pc.multiply(pc.divide(rows["occurred_at"].cast(pa.int64()), DAY_MS), DAY_MS).cast(_DAY)
    row = pa.chunked_array([pa.array(range(rows.num_rows), pa.int64())])
    tables = [
        _persons(rows["org_id"], seen, row, [rows[f"{role}_{name}"] for name in _FIELDS])
        for role in ("actor", "impersonator")
    ]
    parent = pc.list_parent_indices(rows["targets.type"])
    targets = [pc.list_flatten(rows[f"targets.{name}"]) for name in _FIELDS]
    tables.append(
        _persons(rows["org_id"].take(parent), seen.take(parent), row.take(parent), targets)
    )
    table = pa.concat_tables(tables)
    names = [name for name in table.column_names if name != "row"]
    distinct = table.group_by(names).aggregate([("row", "min")])
    event = rows.select(["occurred_at", "event_id"]).take(distinct["row_min"])
    found = distinct.select(names)
    for name in event.column_names:
        found = found.append_column(name, event[name])
    return found


def _persons(
    org: pa.ChunkedArray, seen: pa.ChunkedArray, row: pa.ChunkedArray, fields: list[pa.Array]
) -> pa.Table:
    table = pa.table([org, *fields, seen, row], ["org_id", *_FIELDS, "last_seen", "row"])
    has_email = pc.not_equal(table["email"], "")
    is_one = pc.and_(pc.is_in(table["type"], _PERSONS), pc.not_equal(table["id"], ""))
    return table.filter(pc.or_(has_email, is_one))


class PersonCache:
    """The people that this worker has already written. Bounded, and cleared when it is full.

    It holds hashes of 64 bits, whose size is the same for names of any length. Of two people with
    the same hash, one would be missing in completion until the cache is cleared.
    """

    def __init__(self, bound: int = 200_000) -> None:
        self._bound = bound
        self._keys: set[int] = set()

    def new(self, persons: pa.Table) -> pa.Table:
        """The people that have not been written yet."""
        return persons.filter(
            pa.array([key not in self._keys for key in _keys(persons)], pa.bool_())
        )

    def remember(self, persons: pa.Table) -> None:
        """Add people to the cache. Call this after they are written."""
        if len(self._keys) + persons.num_rows > self._bound:
            self._keys.clear()
        self._keys.update(_keys(persons))


def _keys(persons: pa.Table) -> Iterator[int]:
    """One number per person. One Python object per field would take ten times the memory."""
    texts = [persons[name] for name in ("org_id", *_FIELDS)]
    # The lengths come first, so that two people never share a key, whatever their fields hold.
    lengths = [pc.binary_length(text).cast(pa.string()) for text in texts]
    day = persons["last_seen"].cast(pa.int64()).cast(pa.string())
    return map(hash, pc.binary_join_element_wise(day, *lengths, *texts, " ").to_pylist())
