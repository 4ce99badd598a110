"""The wire contract, held against the specification and another implementation."""

import json
from itertools import permutations
from pathlib import Path

import avro.schema
from fastavro.schema import fingerprint, to_parsing_canonical_form
from tests.support.evolution import compatible

import orgtrail_schemas
from orgtrail_schemas.event_schema import EventSchema, current_schema, event_schemas

RELEASED = {"audit_event.v1.avsc": "01125a43796da5a0"}
"""The fingerprints of released versions: a version is never edited."""


def test_released_versions_are_unchanged():
    folder = Path(orgtrail_schemas.__file__).parent / "avro"
    found = {
        path.name: EventSchema(json.loads(path.read_text())).fingerprint
        for path in folder.iterdir()
    }
    assert found == RELEASED


def test_the_fingerprint_is_that_of_the_specification():
    # Avro's own test data (share/test/data/schema-tests.txt) gives "int" as 0x7275d51a3f395c8f; on
    # the wire it is little-endian (Avro specification, "Single-object encoding").
    spec = 0x7275D51A3F395C8F
    assert (
        fingerprint(to_parsing_canonical_form("int"), "CRC-64-AVRO")
        == spec.to_bytes(8, "little").hex()
    )


def test_another_implementation_has_the_same_fingerprint():
    # Apache's Python package leaves {"type": "string"} around what had a logical type, which the
    # canonical form reduces: give it the text that is already reduced.
    canonical = to_parsing_canonical_form(current_schema().parsed)
    assert avro.schema.parse(canonical).fingerprint("CRC-64-AVRO").hex() == (
        current_schema().fingerprint
    )


def test_every_version_reads_every_other():
    definitions = [schema.definition for schema in event_schemas()]
    for reader, writer in permutations(definitions, 2):
        assert compatible(reader, writer)
    assert compatible(definitions[-1], definitions[0])


def test_there_are_no_enums():
    assert '"enum"' not in json.dumps(current_schema().definition)


def test_every_field_declares_its_sensitivity():
    assert {f["sensitivity"] for f in current_schema().definition["fields"]} <= {
        "public",
        "personal",
    }
