"""The Avro schema of an audit event, in every version ever released.

The files are ``avro/audit_event.vN.avsc``; a version is never edited once released. A reader of
the newest accepts them all (``FULL_TRANSITIVE``, checked in tests/contract).
"""

from __future__ import annotations

import copy
import json
import re
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from fastavro.schema import fingerprint, parse_schema, to_parsing_canonical_form

Schema = dict[str, Any]

SINGLE_OBJECT_MARKER = b"\xc3\x01"


class EventSchema:
    """One version of the schema with the forms of it that readers and writers need."""

    def __init__(self, definition: Schema) -> None:
        """``definition`` is the parsed JSON of an ``.avsc`` file."""
        self.definition = definition
        self.parsed: Schema = parse_schema(copy.deepcopy(definition))
        self.fingerprint: str = fingerprint(to_parsing_canonical_form(self.parsed), "CRC-64-AVRO")
        """CRC-64-AVRO of the canonical form: 16 hex digits in wire order (little-endian)."""
        self.header = SINGLE_OBJECT_MARKER + bytes.fromhex(self.fingerprint)
        """The ten bytes before each datum (Avro specification, "Single-object encoding")."""
        plain = _without_logical_types(definition)
        # Read as what was sent, text and milliseconds: the Arrow decoder knows no uuid, Python has
        # no dates past 9999, and a bad id or time gets a reason of its own.
        self.plain: Schema = parse_schema(copy.deepcopy(plain))
        self.plain_json: str = json.dumps(plain)


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
    """The version that this release writes, and that every other is aligned to."""
    return event_schemas()[-1]


def schemas_by_fingerprint(extra: Path | None = None) -> dict[str, EventSchema]:
    """The schemas that can be read, by fingerprint.

    ``extra`` is a directory of further ``.avsc`` files (setting ``schema_dir``): a consumer can
    learn a newer version before it is upgraded.

    Raises:
        OSError, ValueError: the directory or a schema in it cannot be read.
    """
    schemas = list(event_schemas())
    if extra is not None:
        schemas += [EventSchema(json.loads(p.read_text("utf-8"))) for p in extra.glob("*.avsc")]
    return {schema.fingerprint: schema for schema in schemas}


def _without_logical_types(node: Any) -> Any:
    if isinstance(node, dict):
        if "logicalType" in node:
            return node["type"]
        return {key: _without_logical_types(value) for key, value in node.items()}
    if isinstance(node, list):
        return [_without_logical_types(item) for item in node]
    return node
