"""Later versions of the schema, made for tests, and whether two versions read each other."""

from __future__ import annotations

import copy
import json
from typing import Any

import avro.schema
from avro.compatibility import ReaderWriterCompatibilityChecker, SchemaCompatibilityType

from orgtrail_schemas.event_schema import EventSchema, current_schema

Field = dict[str, Any]
Schema = dict[str, Any]

REGION: Field = {"name": "region", "type": "string", "default": "", "sensitivity": "public"}


def compatible(reader: Schema, writer: Schema) -> bool:
    """Whether ``reader`` reads everything that was written with ``writer``, by Apache Avro."""
    found = ReaderWriterCompatibilityChecker().get_compatibility(
        avro.schema.parse(json.dumps(reader)), avro.schema.parse(json.dumps(writer))
    )
    return found.compatibility is SchemaCompatibilityType.compatible


def with_field(field: Field = REGION, /, record: str | None = None) -> Schema:
    """The current schema with one field more: in ``record`` (its Avro name), else at the top."""
    later = copy.deepcopy(current_schema().definition)
    (later if record is None else _named(later, record))["fields"].append(field)
    return later


def later_schema() -> EventSchema:
    """A version 2: the current schema and a field with a default."""
    return EventSchema(with_field())


def _named(node: Any, name: str) -> Any:
    """The definition of a record anywhere below a node; ``None`` when it is not there."""
    if isinstance(node, dict):
        if node.get("name") == name and "fields" in node:
            return node
        node = list(node.values())
    if isinstance(node, list):
        return next((found for item in node if (found := _named(item, name))), None)
    return None
