"""How the schema may change: what is refused, and how old and new readers see an event."""

import copy
import io
import json

import fastavro
import pytest
from tests.support.batches import decode
from tests.support.evolution import REGION, compatible, later_schema, with_field
from tests.support.vectors import named_events

from orgtrail_schemas.codec import decode_datum
from orgtrail_schemas.event_schema import EventSchema, current_schema, schemas_by_fingerprint

NOW = current_schema()
LATER = later_schema()
EVENT = named_events()["every field"]
OPTIONAL = {"name": "region", "type": ["null", "string"], "default": None}


def without(name):
    changed = copy.deepcopy(NOW.definition)
    changed["fields"] = [field for field in changed["fields"] if field["name"] != name]
    return changed


def retyped(name, kind):
    changed = copy.deepcopy(NOW.definition)
    next(field for field in changed["fields"] if field["name"] == name)["type"] = kind
    return changed


def datum(schema, event):
    out = io.BytesIO()
    fastavro.schemaless_writer(out, schema.plain, event)
    return out.getvalue()


@pytest.mark.parametrize(
    "later",
    [
        pytest.param(with_field(), id="field with a default"),
        pytest.param(with_field(OPTIONAL), id="nullable field"),
        pytest.param(with_field(record="Context"), id="field with a default in the context"),
        pytest.param(without("metadata"), id="field with a default gone"),
    ],
)
def test_a_change_that_every_version_reads_is_accepted(later):
    assert compatible(later, NOW.definition)
    assert compatible(NOW.definition, later)


@pytest.mark.parametrize(
    "later",
    [
        pytest.param(
            with_field({"name": "region", "type": "string"}), id="field without a default"
        ),
        pytest.param(
            with_field({"name": "region", "type": "string"}, record="Target"),
            id="field without a default in a target",
        ),
        pytest.param(without("event"), id="field without a default gone"),
        pytest.param(retyped("outcome", "int"), id="text becomes a number"),
        pytest.param(retyped("occurred_at", "int"), id="number becomes shorter"),
        pytest.param(retyped("event", ["null", "string"]), id="text becomes nullable"),
        pytest.param(retyped("impersonator", ["null", "string"]), id="record becomes text"),
        pytest.param(NOW.definition | {"name": "Event"}, id="another name"),
    ],
)
def test_a_change_that_some_version_cannot_read_is_refused(later):
    assert not (compatible(later, NOW.definition) and compatible(NOW.definition, later))


def test_a_later_version_has_another_header():
    assert LATER.header != NOW.header
    assert LATER.header[:2] == NOW.header[:2]


def test_documentation_and_sensitivity_are_not_part_of_the_header():
    """They may change without a new version on the wire."""
    bare = json.loads(json.dumps(NOW.definition))
    for field in bare["fields"]:
        field.pop("doc", None)
        field["sensitivity"] = "secret"
    assert EventSchema(bare).header == NOW.header


def test_an_old_reader_leaves_the_new_field_out():
    later = EVENT | {"region": "eu"}
    assert decode_datum(LATER, NOW, datum(LATER, later)) == EVENT


def test_a_new_reader_fills_in_the_default():
    seen = decode_datum(NOW, LATER, datum(NOW, EVENT))
    assert seen == EVENT | {"region": REGION["default"]}


@pytest.mark.parametrize("record", [None, "context"])
def test_the_consumer_reads_both_in_one_batch(tmp_path, record):
    """Given the later schema in a directory, as in the first minutes of an upgrade."""
    later = EventSchema(with_field(record=record and record.capitalize()))
    region = {"region": "eu"}
    event = EVENT | (region if record is None else {record: EVENT[record] | region})
    (tmp_path / "audit_event.v2.avsc").write_text(json.dumps(later.definition))
    known = schemas_by_fingerprint(tmp_path)
    values = [NOW.header + datum(NOW, EVENT), later.header + datum(later, event)] * 3
    decoded = decode(values, lambda frame: known.get(frame.fingerprint))
    assert decoded.rejected == []
    assert sorted(decoded.positions.to_pylist()) == list(range(6))
    assert set(decoded.fingerprints.to_pylist()) == {NOW.fingerprint, later.fingerprint}
    expected = EVENT | {"metadata": list(EVENT["metadata"].items())}
    assert decoded.columns.to_pylist() == [expected] * 6


def test_the_consumer_sets_aside_what_a_schema_that_it_does_not_know_wrote():
    value = LATER.header + datum(LATER, EVENT | {"region": "eu"})
    (rejected,) = decode([value], lambda frame: schemas_by_fingerprint().get(frame.fingerprint))[3]
    assert rejected.reason == "unknown_schema"
    assert LATER.fingerprint in rejected.detail
