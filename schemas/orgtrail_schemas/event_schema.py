"""The Avro schema of an audit event, in every released version.

The files are ``avro/audit_event.vN.avsc``. A released version is never edited. A reader with any
version can read records of every other version (``FULL_TRANSITIVE``, tested in tests/contract).
"""

from __future__ import annotations

import copy
import json
import re
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from fastavro.schema import (
    SchemaParseException,
    fingerprint,
    parse_schema,
    to_parsing_canonical_form,
)

from orgtrail_schemas.wire import ALIASES

Schema = dict[str, Any]

SINGLE_OBJECT_MARKER = b"\xc3\x01"


class EventSchema:
    """One version of the schema, in the forms that readers and writers need."""

    def __init__(self, definition: Schema) -> None:
        """``definition`` is the parsed JSON of an ``.avsc`` file."""
        self.definition = definition
        self.parsed = _parsed(definition)
        self.fingerprint: str = fingerprint(to_parsing_canonical_form(self.parsed), "CRC-64-AVRO")
        """CRC-64-AVRO of the canonical form: 16 hex digits in wire order (little-endian)."""
        self.header = SINGLE_OBJECT_MARKER + bytes.fromhex(self.fingerprint)
        """The ten bytes before each datum (Avro specification, "Single-object encoding")."""
        plain = _without_logical_types(definition)
        # Decode IDs and times without their logical types, as text and milliseconds. The Arrow
        # decoder does not support uuid, and Python has no dates past 9999. It also lets a bad ID
        # or time be dead-lettered with its own reason.
        self.plain = _parsed(plain)
        self.plain_json: str = json.dumps(plain)


def _parsed(definition: Schema) -> Schema:
    parsed = parse_schema(copy.deepcopy(definition))
    if not isinstance(parsed, dict):
        raise TypeError("the schema is not a record")
    return parsed


@cache
def event_schemas() -> tuple[EventSchema, ...]:
    """Every released version, oldest first."""
    folder = files(__package__).joinpath("avro")
    named = {
        int(match[1]): path
        for path in folder.iterdir()
        if (match := re.fullmatch(r"audit_event\.v(\d+)\.avsc", path.name))
    }
    return tuple(EventSchema(json.loads(named[n].read_text("utf-8"))) for n in sorted(named))


def current_schema() -> EventSchema:
    """The version that this release writes. Records of other versions are converted to it."""
    return event_schemas()[-1]


def schemas_by_fingerprint(extra: Path | None = None) -> dict[str, EventSchema]:
    """The known schemas, by their fingerprints and the aliases of these.

    ``extra`` is a folder of additional ``.avsc`` files (setting ``schema_dir``). With it a
    consumer can decode a newer version before it is upgraded.

    Raises:
        OSError, ValueError: the folder or a schema in it cannot be read.
    """
    schemas = list(event_schemas())
    if extra is not None:
        schemas += [_read(file) for file in sorted(extra.iterdir()) if file.suffix == ".avsc"]
    known = {schema.fingerprint: schema for schema in schemas}
    for version, schema in enumerate(event_schemas(), 1):
        known |= dict.fromkeys(ALIASES.get(version, ()), schema)
    return known


def _read(file: Path) -> EventSchema:
    try:
        return EventSchema(json.loads(file.read_text("utf-8")))
    except (ValueError, KeyError, TypeError, SchemaParseException) as error:
        raise ValueError(f"{file} is not an Avro schema of a record") from error


def _without_logical_types(node: Any) -> Any:
    if isinstance(node, dict):
        if "logicalType" in node:
            return node["type"]
        return {key: _without_logical_types(value) for key, value in node.items()}
    if isinstance(node, list):
        return [_without_logical_types(item) for item in node]
    return node
