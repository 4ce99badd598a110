"""The oracle: what was acknowledged to producers against what a reader finds."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from tests.chaos.load import Key, Load, Place

from orgtrail_schemas.codec import decode_datum
from orgtrail_schemas.event_schema import current_schema

Query = Callable[[str], Sequence[Sequence[Any]]]

_NESTED = {"targets": ("type", "id", "email", "name"), "changes": ("field", "old", "new")}
_CONTEXT = ("ip", "user_agent", "request_id", "session_id", "service", "trace_id")
_PERSON = ("type", "id", "email", "name")


class Verdict(NamedTuple):
    """What is wrong; all empty when nothing is."""

    lost: list[Key]
    doubled: list[Key]
    different: list[tuple[Key, str]]
    not_first: list[Key]

    @property
    def clean(self) -> bool:
        return not any(self)


def judge(load: Load, query: Query) -> Verdict:
    """Compare every field of every event, enrichment aside; also which copy stayed."""
    there: set[Key] = set()
    doubled, different, not_first = [], [], []
    slices = 1 + len(load.values) // _AT_ONCE
    for number in range(slices):
        found = _read(load, query, f"cityHash64(toString(event_id)) % {slices} = {number}")
        for key, copies in found.items():
            value = load.values.get(key)
            if value is None:
                continue
            if len(copies) > 1:
                doubled.append(key)
            different += [(key, name) for name in _differences(value, copies[0])]
            if copies[0]["place"] != load.places[key][0]:
                not_first.append(key)
        there |= found.keys()
    return Verdict([k for k in load.values if k not in there], doubled, different, not_first)


def _read(load: Load, query: Query, condition: str) -> dict[Key, list[dict[str, Any]]]:
    found: dict[Key, list[dict[str, Any]]] = {}
    names = list(_expected_row(next(iter(load.values.values()))))
    columns = ", ".join(f"`{name}`" for name in names)
    rows = query(
        "SELECT org_id, toString(event_id), kafka_partition, kafka_offset,"
        f" toUnixTimestamp64Milli(occurred_at) AS occurred, {columns} FROM audit.events"
        f" WHERE {condition}"
    )
    for org, event_id, partition, offset, occurred, *values in rows:
        row = dict(zip(names, values, strict=True))
        row |= {"place": Place(partition, offset), "occurred": occurred}
        found.setdefault((org, event_id), []).append(row)
    return found


def wait_all(load: Load, query: Query, seconds: float) -> Verdict:
    """The verdict as soon as nothing is lost, or after so many seconds."""
    # Event ids begin with their time: those before the load are replays of earlier ones.
    first = min(event_id for _, event_id in load.values)
    count = f"SELECT count() FROM audit.events WHERE toString(event_id) >= '{first}'"
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if query(count)[0][0] >= len(load.values):
            break
        time.sleep(0.3)
    return judge(load, query)


_AT_ONCE = 200_000


def stored_copies(query: Query) -> int:
    """How many copies the storage holds beyond one of each key: what only the reads hide."""
    rows = query(
        "SELECT count() - uniqExact((org_id, occurred_at, event_id)) FROM audit.events_store"
    )
    return int(rows[0][0])


def _differences(value: bytes, row: Mapping[str, Any]) -> list[str]:
    record = decode_datum(current_schema(), current_schema(), value[10:])
    wrong = [name for name, wanted in _expected_row(value).items() if row[name] != wanted]
    return wrong + (["occurred_at"] if row["occurred"] != record["occurred_at"] else [])


def _expected_row(value: bytes) -> dict[str, Any]:
    record = decode_datum(current_schema(), current_schema(), value[10:])
    row = {name: record[name] for name in ("event", "outcome", "metadata")}
    for who in ("actor", "impersonator"):
        person = record[who] or dict.fromkeys(_PERSON, "")
        row |= {f"{who}_{name}": person[name] for name in _PERSON}
    for part, fields in _NESTED.items():
        row |= {f"{part}.{name}": [item[name] for item in record[part]] for name in fields}
    return row | {name: record["context"][name] for name in _CONTEXT}
