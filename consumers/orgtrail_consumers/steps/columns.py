"""Small tools for Arrow columns that Arrow itself does not have."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

import pyarrow as pa
import pyarrow.compute as pc

T = TypeVar("T")


class Looked(Generic[T]):
    """One found value for each row, found once for each distinct value of the column."""

    def __init__(self, codes: pa.Int32Array, found: Sequence[T]) -> None:
        """``codes`` are the rows' places in ``found``."""
        self._codes = codes
        self._found = found

    def texts(self, of: Callable[[T], Any] = str) -> pa.StringArray:
        """A text for each row."""
        return pa.array([of(item) for item in self._found], pa.string()).take(self._codes)


def lookup(column: pa.StringArray, find: Callable[[list[str]], Sequence[T]]) -> Looked[T]:
    """Ask ``find`` once for the distinct values of the column."""
    encoded = column.dictionary_encode()
    return Looked(encoded.indices, find(encoded.dictionary.to_pylist()))


def fill(value: int | str, count: int, kind: pa.DataType) -> pa.Array:
    """A column of one value."""
    return pa.repeat(pa.scalar(value, kind), count)


def nested(column: pa.ListArray, name: str, fields: tuple[str, ...]) -> dict[str, pa.ListArray]:
    """A list of records as parallel lists, which is what ClickHouse's Nested is."""
    flat = column.flatten()
    starts = offsets(column)
    return {
        f"{name}.{field}": pa.ListArray.from_arrays(starts, pc.struct_field(flat, field))
        for field in fields
    }


def offsets(column: pa.ListArray | pa.MapArray) -> pa.Int32Array:
    """Where each row's items begin in the flattened column, and where the last row's end."""
    return pc.subtract(column.offsets, column.offsets[0])


def parents(column: pa.ListArray | pa.MapArray) -> pa.Array:
    """For each item of the flattened column, the row that it is of."""
    starts = offsets(column)
    as_lists = pa.ListArray.from_arrays(starts, pa.nulls(starts[-1].as_py()))
    return pc.list_parent_indices(as_lists)
