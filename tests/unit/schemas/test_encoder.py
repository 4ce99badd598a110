"""The compiled encoder writes what fastavro writes, for whatever an event holds."""

import json
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import orgtrail_schemas
from orgtrail.envelope import headers, seal
from orgtrail.event import Actor, Change, Context, Event, Target, as_record
from orgtrail_schemas.codec import encode
from orgtrail_schemas.encoder import NotCoveredError, compile_encoder
from orgtrail_schemas.event_schema import current_schema
from orgtrail_schemas.wire import CURRENT, HEADERS, event_encoder

text = st.one_of(
    st.text(max_size=20), st.sampled_from(["x" * 2047, "x" * 2048, "ü" * 1024, "x" * 70])
)
people = {"type": text, "id": text, "email": text, "name": text}
events = st.builds(
    Event,
    event_id=text,
    event=text,
    occurred_at=st.integers(0, 253_402_300_799_999),
    org_id=text,
    actor=st.builds(Actor, **people),
    impersonator=st.none() | st.builds(Actor, **people),
    targets=st.lists(st.builds(Target, **people), max_size=3),
    changes=st.lists(
        st.builds(Change, field=text, old=st.none() | text, new=st.none() | text), max_size=3
    ),
    context=st.builds(Context, **dict.fromkeys(Context.__struct_fields__, text)),
    outcome=text,
    metadata=st.dictionaries(text, text, max_size=3),
)


@settings(max_examples=300, deadline=None)
@given(events)
def test_the_bytes_are_fastavros(event):
    expected = encode(current_schema(), as_record(event))
    assert seal(event, 1, 0).value == expected
    # A text that is longer than its table: seal left it to fastavro.
    with suppress(LookupError):
        assert event_encoder()(event) == expected


def test_the_shipped_vectors_are_written_byte_for_byte():
    folder = Path(orgtrail_schemas.__file__).parent / "vectors"
    vectors = json.loads((folder / f"v{CURRENT}.json").read_text("utf-8"))["vectors"]
    assert vectors
    for vector in vectors:
        given = vector["event"]
        event = Event(
            **given
            | {
                "actor": Actor(**given["actor"]),
                "impersonator": given["impersonator"] and Actor(**given["impersonator"]),
                "targets": [Target(**t) for t in given["targets"]],
                "changes": [Change(**c) for c in given["changes"]],
                "context": Context(**given["context"]),
            }
        )
        sealed = seal(event, 1, 0, vector["headers"].get("traceparent", ""))
        assert sealed.value.hex() == vector["value_hex"], vector["name"]
        assert {k: v.decode() for k, v in headers(sealed)} == vector["headers"], vector["name"]


def test_the_header_is_the_schemas():
    assert HEADERS[CURRENT] == current_schema().header


@pytest.mark.parametrize(
    "kind", ["int", "bytes", ["string", "null"], {"type": "map", "values": "long"}]
)
def test_a_type_that_events_do_not_have_is_refused(kind):
    schema = {"type": "record", "name": "R", "fields": [{"name": "a", "type": kind}]}
    with pytest.raises(NotCoveredError):
        compile_encoder(schema, b"")
