"""Schema resolution: from the columns of a writer's schema to those of the current one.

The rules are those of the Avro specification ("Schema Resolution"), at every depth: fields match by
name, a field that the writer does not have gets its default, extra fields are ignored, and numbers
are promoted. One rule is more lenient: where a writer allows null and the current schema does not,
null becomes the field's default, if it is a text. Many libraries write absent texts as null.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from functools import cache
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from orgtrail_consumers.steps.columns import offsets, parents
from orgtrail_schemas.event_schema import current_schema


class Resolved(NamedTuple):
    """``columns`` have the current schema. ``bad`` rows have null where a value is required."""

    columns: pa.RecordBatch
    bad: set[int]


class UnresolvableError(Exception):
    """The writer's schema cannot be resolved to the current one."""


def resolve(columns: pa.RecordBatch, target: pa.Schema) -> Resolved:
    """Convert the columns to those of ``target``, the Arrow form of the current schema.

    Raises:
        UnresolvableError: a required field is missing, or a type is incompatible.
    """
    bad: set[int] = set()
    rows = pa.array(range(columns.num_rows), pa.int64())
    found = {name: columns[name] for name in columns.schema.names}
    try:
        arrays = [
            _field(found.get(field["name"]), field, target.field(field["name"]).type, rows, bad)
            for field in _current_fields()
        ]
        return Resolved(pa.record_batch(arrays, schema=target), bad)
    except (KeyError, AttributeError, TypeError, ValueError, pa.ArrowException) as error:
        raise UnresolvableError(type(error).__name__) from error


@cache
def _current_fields() -> list[dict[str, Any]]:
    """The fields of the current schema, with references to named types replaced by the types."""
    named: dict[str, Any] = {}

    def expand(node: Any) -> Any:
        if isinstance(node, str):
            return named.get(node, node)
        if isinstance(node, list):
            return [expand(branch) for branch in node]
        if node.get("type") == "record":
            named[node["name"]] = named[node["name"].rpartition(".")[2]] = node
            node["fields"] = [{**field, "type": expand(field["type"])} for field in node["fields"]]
        for key in ("items", "values"):
            if key in node:
                node[key] = expand(node[key])
        return node

    expanded: list[dict[str, Any]] = expand(copy.deepcopy(current_schema().plain))["fields"]
    return expanded


def _field(
    array: pa.Array | None,
    field: Mapping[str, Any],
    kind: pa.DataType,
    rows: pa.Int64Array,
    bad: set[int],
) -> pa.Array:
    """One field. ``rows`` says which row of the batch each element belongs to."""
    if array is None:
        return _default(field, len(rows), kind)
    converted = _convert(array, field["type"], kind, rows, bad)
    if isinstance(field["type"], list) or converted.null_count == 0:
        return converted
    if isinstance(field.get("default"), str):
        return pc.fill_null(converted, field["default"])
    bad.update(rows.filter(converted.is_null()).to_pylist())
    return converted


def _default(field: Mapping[str, Any], count: int, kind: pa.DataType) -> pa.Array:
    value = field["default"]
    return pa.array([list(value.items()) if pa.types.is_map(kind) else value] * count, kind)


def _convert(
    array: pa.Array, node: Any, kind: pa.DataType, rows: pa.Int64Array, bad: set[int]
) -> pa.Array:
    if isinstance(node, list):
        (node,) = [branch for branch in node if branch != "null"]
    if pa.types.is_struct(kind):
        return _record(array, node, kind, rows, bad)
    if pa.types.is_list(kind):
        values = array.flatten()
        inner = _required(
            _convert(values, node["items"], kind.value_type, rows.take(parents(array)), bad),
            rows.take(parents(array)),
            bad,
        )
        return pa.ListArray.from_arrays(offsets(array), inner)
    if pa.types.is_map(kind):
        start, count = array.offsets[0].as_py(), offsets(array)[-1].as_py()
        items = array.items.slice(start, count).cast(kind.item_type)
        items = _required(items, rows.take(parents(array)), bad)
        return pa.MapArray.from_arrays(
            offsets(array), array.keys.slice(start, count).cast(kind.key_type), items
        )
    return array.cast(kind)


def _required(array: pa.Array, rows: pa.Int64Array, bad: set[int]) -> pa.Array:
    if array.null_count:
        bad.update(rows.filter(array.is_null()).to_pylist())
    return array


def _record(
    array: pa.StructArray, node: Any, kind: pa.DataType, rows: pa.Int64Array, bad: set[int]
) -> pa.StructArray:
    # A field of an absent record is null whatever the schema says: only present ones count.
    present = array.is_valid()
    names = {array.type.field(index).name for index in range(array.type.num_fields)}
    children = []
    for field in node["fields"]:
        name = field["name"]
        child = pc.struct_field(array, name) if name in names else None
        found: set[int] = set()
        children.append(_field(child, field, kind.field(name).type, rows, found))
        if found:
            bad.update(found & set(rows.filter(present).to_pylist()))
    fields = [kind.field(index) for index in range(kind.num_fields)]
    return pa.StructArray.from_arrays(children, fields=fields, mask=pc.invert(present))
