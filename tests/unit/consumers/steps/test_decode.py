import io

import fastavro
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.batches import decode, find_current
from tests.support.events import datum, record

from orgtrail_schemas.codec import decode_datum
from orgtrail_schemas.event_schema import EventSchema, current_schema

SCHEMA = current_schema()

text = st.text(max_size=20)
person = st.fixed_dictionaries({"type": text, "id": text, "email": text, "name": text})
records = st.fixed_dictionaries(
    {
        "event_id": text,
        "event": text,
        "occurred_at": st.integers(-(2**62), 2**62),
        "org_id": text,
        "actor": person,
        "impersonator": st.none() | person,
        "targets": st.lists(person, max_size=3),
        "changes": st.lists(
            st.fixed_dictionaries(
                {"field": text, "old": st.none() | text, "new": st.none() | text}
            ),
            max_size=3,
        ),
        "context": st.fixed_dictionaries(
            dict.fromkeys(
                ("ip", "user_agent", "request_id", "session_id", "service", "trace_id"), text
            )
        ),
        "outcome": text,
        "metadata": st.dictionaries(text, text, max_size=3),
    }
)


def _framed(item):
    out = io.BytesIO()
    fastavro.schemaless_writer(out, SCHEMA.plain, item)
    return SCHEMA.header + out.getvalue()


def _rows(decoded):
    rows = decoded.columns.to_pylist()
    return {
        position: row | {"metadata": dict(row["metadata"])}
        for position, row in zip(decoded.positions.to_pylist(), rows, strict=True)
    }


@settings(max_examples=200, deadline=None)
@given(st.lists(records, max_size=5))
def test_both_readers_find_the_same_rows(items):
    values = [_framed(item) for item in items]
    seen = _rows(decode(values, find_current))
    assert seen == {n: decode_datum(SCHEMA, SCHEMA, value[10:]) for n, value in enumerate(values)}


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(records, st.binary(max_size=12), st.integers(0, 200)), max_size=4))
def test_damaged_bytes_never_touch_their_neighbours(items):
    good = datum()
    values = [good]
    for item, damage, place in items:
        whole = _framed(item)
        values.append(whole[: 10 + place] + damage)
        values.append(good)
    seen = decode(values, find_current)
    rows = _rows(seen)
    rejected = {item.position for item in seen.rejected}
    assert rows.keys() | rejected == set(range(len(values)))
    assert not rows.keys() & rejected
    expected = decode_datum(SCHEMA, SCHEMA, good[10:])
    for position in range(0, len(values), 2):
        assert rows[position] == expected


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, "empty_value"),
        (b"", "empty_value"),
        (b"hello", "unknown_framing"),
        (b"\xc3\x01\x00", "unknown_framing"),
        (b"\xc3\x01" + bytes(8) + b"x", "unknown_schema"),
        (b"\x00\x00\x00\x00\x07x", "unknown_schema"),
        (SCHEMA.header, "malformed"),
        pytest.param(datum()[:40], "malformed", id="cut off"),
        (SCHEMA.header + b"\x08\xff\xff\xff\xff", "malformed"),
    ],
)
def test_each_kind_of_bad_value_has_its_reason(value, reason):
    seen = decode([datum(), value, datum()], find_current)
    assert [(r.position, r.reason) for r in seen.rejected] == [(1, reason)]
    assert sorted(seen.positions.to_pylist()) == [0, 2]


def test_an_older_and_a_newer_schema_are_aligned_to_the_current_one():
    newer = EventSchema(
        SCHEMA.definition
        | {
            "fields": [
                *SCHEMA.definition["fields"],
                {"name": "later", "type": ["null", "string"], "default": None},
            ]
        }
    )
    out = io.BytesIO()
    fastavro.schemaless_writer(out, newer.parsed, record(later="x"))
    known = {SCHEMA.fingerprint: SCHEMA, newer.fingerprint: newer}
    seen = decode(
        [datum(), newer.header + out.getvalue()], lambda frame: known.get(frame.fingerprint or "")
    )
    assert seen.columns.schema.names == [f["name"] for f in SCHEMA.definition["fields"]]
    assert seen.columns.num_rows == 2
    assert set(seen.fingerprints.to_pylist()) == set(known)


def test_what_an_older_schema_did_not_know_has_its_default():
    fields = [f for f in SCHEMA.definition["fields"] if f["name"] not in ("metadata", "outcome")]
    older = EventSchema(SCHEMA.definition | {"fields": fields})
    out = io.BytesIO()
    fastavro.schemaless_writer(out, older.parsed, record())
    seen = decode([older.header + out.getvalue()], lambda _frame: older)
    row = seen.columns.to_pylist()[0]
    assert (row["metadata"], row["outcome"]) == ([], "success")


@pytest.mark.parametrize(
    "fields",
    [
        [{"name": "event_id", "type": "string"}],
        [{"name": f["name"], "type": "string"} for f in SCHEMA.definition["fields"]],
    ],
    ids=["fields missing", "other types"],
)
def test_the_schema_of_something_else_is_no_reason_to_stop(fields):
    """A registry may name any schema: its records are set aside, and their neighbours stored."""
    other = EventSchema({"type": "record", "name": "Invoice", "fields": fields})
    out = io.BytesIO()
    fastavro.schemaless_writer(out, other.parsed, {f["name"]: "x" for f in fields})
    known = {SCHEMA.fingerprint: SCHEMA, other.fingerprint: other}
    values = [datum(), other.header + out.getvalue(), datum()]
    seen = decode(values, lambda frame: known.get(frame.fingerprint or ""))
    assert [(r.position, r.reason) for r in seen.rejected] == [(1, "malformed")]
    assert seen.columns.num_rows == 2


def test_an_outage_of_the_registry_is_no_verdict():
    def away(_frame):
        raise ConnectionError

    with pytest.raises(ConnectionError):
        decode([datum()], away)
