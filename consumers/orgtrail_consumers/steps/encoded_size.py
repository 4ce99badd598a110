"""How many bytes decoded values had in Avro's binary encoding, to find bytes left over after them.

A decoder stops at the end of the datum and ignores what follows. A record with such bytes was
written with another schema than it names, or damaged, so its values cannot be trusted.
"""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from orgtrail_consumers.steps.columns import fill, offsets

_PRIMITIVES = {"boolean": 1, "float": 4, "double": 8}


def encoded_sizes(columns: pa.RecordBatch, schema: dict[str, Any]) -> pa.Int64Array | None:
    """The size of each row's datum, as writers usually encode it: lists as one block.

    ``schema`` is the writer's, without logical types. ``None`` if it uses a type that audit events
    do not have. A size that differs from the actual one is no proof: lists may be split into
    blocks. Decode such a record on its own.
    """
    try:
        return _record(columns, schema, columns.num_rows, {})
    except (NotImplementedError, KeyError, TypeError):
        return None


def _record(columns: Any, node: dict[str, Any], count: int, named: dict[str, Any]) -> pa.Array:
    named[node["name"]] = named[node["name"].rpartition(".")[2]] = node
    total = fill(0, count, pa.int64())
    for field in node["fields"]:
        if isinstance(columns, pa.RecordBatch):
            array = columns[field["name"]]
        else:
            array = pc.struct_field(columns, field["name"])
        total = pc.add(total, _sizes(array, field["type"], named))
    return total


def _sizes(array: pa.Array, node: Any, named: dict[str, Any]) -> pa.Array:
    node = named.get(node, node) if isinstance(node, str) else node
    if isinstance(node, list):
        (inner,) = [branch for branch in node if branch != "null"]
        if len(node) != 2:
            raise NotImplementedError
        # The index of the branch is one byte.
        sizes = pc.if_else(array.is_valid(), _sizes(array, inner, named), 0)
        return pc.add(pc.fill_null(sizes, 0), 1)
    kind = node["type"] if isinstance(node, dict) else node
    if kind in ("string", "bytes"):
        lengths = pc.binary_length(array).cast(pa.int64())
        return pc.add(lengths, _varint(lengths))
    if kind in ("int", "long"):
        return _zigzag(array.cast(pa.int64()))
    if kind in _PRIMITIVES:
        return fill(_PRIMITIVES[kind], len(array), pa.int64())
    if kind == "record":
        return _record(array, node, len(array), named)
    return _list_sizes(array, node, named)


def _list_sizes(array: pa.Array, node: Any, named: dict[str, Any]) -> pa.Array:
    if node["type"] == "array":
        return _blocks(array, _sizes(array.flatten(), node["items"], named))
    if node["type"] == "map":
        start, count = array.offsets[0].as_py(), offsets(array)[-1].as_py()
        keys = _sizes(array.keys.slice(start, count), "string", named)
        items = _sizes(array.items.slice(start, count), node["values"], named)
        return _blocks(array, pc.add(keys, items))
    raise NotImplementedError(node["type"])


def _blocks(array: pa.Array, items: pa.Array) -> pa.Array:
    """The sizes of lists: the count and the items if there are any, then a zero byte."""
    bounds = offsets(array)
    totals = pa.concat_arrays([pa.array([0], pa.int64()), pc.cumulative_sum(items)])
    summed = pc.subtract(totals.take(bounds[1:]), totals.take(bounds[:-1]))
    counts = pc.subtract(bounds[1:], bounds[:-1]).cast(pa.int64())
    header = pc.if_else(pc.greater(counts, 0), _varint(counts), 0)
    return pc.add(pc.add(summed, header), 1)


def _varint(values: pa.Array) -> pa.Array:
    """The size of numbers that are not negative, as Avro's long (zigzag doubles them)."""
    size = fill(1, len(values), pa.int64())
    limit, largest = 1 << 6, pc.max(values).as_py() or 0
    while largest >= limit:
        size = pc.add(size, pc.greater_equal(values, limit).cast(pa.int64()))
        limit <<= 7
    return size


def _zigzag(values: pa.Array) -> pa.Array:
    """The size of any long: a negative number n is as long as -n - 1."""
    return _varint(pc.if_else(pc.less(values, 0), pc.bit_wise_not(values), values))
