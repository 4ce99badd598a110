"""Small helpers for Arrow columns that Arrow itself lacks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

import pyarrow as pa
import pyarrow.compute as pc

T = TypeVar("T")


class Looked(Generic[T]):
    """The result of ``lookup``: a value for each row, computed once per distinct value."""

    def __init__(self, codes: pa.Int32Array, found: Sequence[T]) -> None:
        """``codes`` are the rows' indices into ``found``."""
        self._codes = codes
        self._found = found

    def texts(self, of: Callable[[T], Any] = str) -> pa.StringArray:
        """A column with the text that ``of`` returns for each row's value."""
        return pa.array([of(item) for item in self._found], pa.string()).take(self._codes)


def lookup(column: pa.StringArray, find: Callable[[list[str]], Sequence[T]]) -> Looked[T]:
    """Call ``find`` once with the distinct values of the column."""
    encoded = column.dictionary_encode()
    return Looked(encoded.indices, find(encoded.dictionary.to_pylist()))


def fill(value: int | str, count: int, kind: pa.DataType) -> pa.Array:
    """A column that repeats one value."""
    return pa.repeat(pa.scalar(value, kind), count)


def nested(column: pa.ListArray, name: str, fields: tuple[str, ...]) -> dict[str, pa.ListArray]:
    """Split a list of records into parallel lists, which is how ClickHouse stores Nested."""
    flat = column.flatten()
    starts = offsets(column)
    return {
        f"{name}.{field}": pa.ListArray.from_arrays(starts, pc.struct_field(flat, field))
        for field in fields
    }


def offsets(column: pa.ListArray | pa.MapArray) -> pa.Int32Array:
    """The index of each row's first item in the flattened column, and the end of the last row's."""
    return pc.subtract(column.offsets, column.offsets[0])


def parents(column: pa.ListArray | pa.MapArray) -> pa.Array:
    """For each item of the flattened column, the index of its row."""
    starts = offsets(column)
    as_lists = pa.ListArray.from_arrays(starts, pa.nulls(starts[-1].as_py()))
    return pc.list_parent_indices(as_lists)
