"""The schema's versions: found by fingerprint, and in a form that every decoder reads."""

import json

import pytest
from fastavro.schema import fingerprint, to_parsing_canonical_form

from orgtrail_schemas import event_schema
from orgtrail_schemas.event_schema import (
    ALIASES,
    SINGLE_OBJECT_MARKER,
    EventSchema,
    current_schema,
    event_schemas,
    schemas_by_fingerprint,
)

OTHER = {"type": "record", "name": "other", "fields": [{"name": "a", "type": "string"}]}


def test_a_header_is_the_marker_and_the_fingerprint_of_the_canonical_form():
    schema = EventSchema(OTHER)
    canonical = to_parsing_canonical_form(schema.parsed)
    assert schema.header == SINGLE_OBJECT_MARKER + bytes.fromhex(
        fingerprint(canonical, "CRC-64-AVRO")
    )
    assert len(schema.header) == 10
    documented = EventSchema(OTHER | {"doc": "another text is the same schema"})
    assert documented.fingerprint == schema.fingerprint


def test_the_plain_form_has_no_logical_types_and_the_definition_keeps_them():
    definition = {
        "type": "record",
        "name": "r",
        "fields": [
            {"name": "id", "type": {"type": "string", "logicalType": "uuid"}},
            {"name": "at", "type": ["null", {"type": "long", "logicalType": "timestamp-millis"}]},
        ],
    }
    schema = EventSchema(definition)
    plain = [f["type"] for f in json.loads(schema.plain_json)["fields"]]
    assert plain == ["string", ["null", "long"]]
    assert "logicalType" in json.dumps(schema.definition)
    assert "logicalType" not in json.dumps(schema.plain)


def test_the_current_schema_has_logical_types_that_its_plain_form_lacks():
    assert "logicalType" in json.dumps(current_schema().definition)
    assert "logicalType" not in current_schema().plain_json


@pytest.mark.parametrize("definition", ["string", ["null", OTHER]])
def test_only_a_record_is_a_schema_of_events(definition):
    with pytest.raises(TypeError, match="not a record"):
        EventSchema(definition)


def test_the_current_schema_is_the_newest_released_one():
    assert current_schema() is event_schemas()[-1]
    assert schemas_by_fingerprint()[current_schema().fingerprint] is current_schema()


def test_an_alias_finds_its_version_and_never_hides_a_fingerprint():
    known = schemas_by_fingerprint()
    assert all(known[schema.fingerprint] is schema for schema in event_schemas())
    for version, aliases in ALIASES.items():
        assert {known[alias] for alias in aliases} == {event_schemas()[version - 1]}


def test_further_schemas_come_from_a_folder(tmp_path):
    (tmp_path / "other.avsc").write_text(json.dumps(OTHER))
    (tmp_path / "notes.txt").write_text("not a schema")
    known = schemas_by_fingerprint(tmp_path)
    assert known.keys() - schemas_by_fingerprint().keys() == {EventSchema(OTHER).fingerprint}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (b"{", "is not an Avro schema"),
        (b'{"type": "record", "name": "r", "fields": [{"name": "a", "type": "b"}]}', "b"),
        (b"\xff", "is not an Avro schema"),
    ],
)
def test_a_file_that_is_not_a_schema_is_an_error(tmp_path, text, problem):
    (tmp_path / "bad.avsc").write_bytes(text)
    with pytest.raises(ValueError, match=problem):
        schemas_by_fingerprint(tmp_path)


def test_versions_are_in_the_order_of_their_numbers(tmp_path, monkeypatch):
    (tmp_path / "avro").mkdir()
    for number in (10, 2, 1):
        text = json.dumps(OTHER | {"name": f"v{number}"})
        (tmp_path / "avro" / f"audit_event.v{number}.avsc").write_text(text)
    (tmp_path / "avro" / "audit_event.v3.avsc.orig").write_text("left by an editor")
    monkeypatch.setattr(event_schema, "files", lambda package: tmp_path)
    found = event_schema.event_schemas.__wrapped__()
    assert [schema.definition["name"] for schema in found] == ["v1", "v2", "v10"]
