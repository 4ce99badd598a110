"""Records as columns of Arrow.

As Python objects they take more memory, and keep it: the interpreter puts small objects into arenas
of a megabyte, and one that lives on keeps the whole (docs/benchmarks.md, "Where memory goes").
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple, Protocol, overload

import pyarrow as pa
import pyarrow.compute as pc

Headers = Sequence[tuple[str, bytes | None]]
"""Names and values, in order; a name may occur more than once."""

_HEADERS = pa.map_(pa.string(), pa.binary())
_SCHEMA = pa.schema(
    {
        "key": pa.binary(),
        "value": pa.binary(),
        "headers": _HEADERS,
        "offset": pa.uint64(),
        "timestamp": pa.int64(),
    }
)


class Received(Protocol):
    """The attributes of a received record that the consumer uses; a client's records have more."""

    @property
    def key(self) -> bytes | None:
        """The organization's ID, if the producer set it."""
        ...

    @property
    def value(self) -> bytes | None:
        """The framed event."""
        ...

    @property
    def headers(self) -> Headers:
        """The headers; rarely any."""
        ...

    @property
    def offset(self) -> int:
        """The record's offset in its partition."""
        ...

    @property
    def timestamp(self) -> int:
        """When the broker appended the record: milliseconds since 1970, UTC."""
        ...


class Record(NamedTuple):
    """One record. The attributes are those of ``Received``."""

    key: bytes | None
    value: bytes | None
    headers: Headers
    offset: int
    timestamp: int


class Records(Sequence[Record]):
    """Records of one partition, in order. Steps read columns; an item is made when asked for."""

    def __init__(self, table: pa.Table) -> None:
        """Use ``Records.of``; the table has the columns of a ``Record``."""
        self._table = table

    @classmethod
    def of(cls, received: Iterable[Received]) -> Records:
        """Records as a client hands them out."""
        given = list(received)
        headers = [record.headers or None for record in given]
        return cls(
            pa.table(
                [
                    pa.array([record.key for record in given], pa.binary()),
                    pa.array([record.value for record in given], pa.binary()),
                    pa.array(headers, _HEADERS) if any(headers) else pa.nulls(len(given), _HEADERS),
                    pa.array([record.offset for record in given], pa.uint64()),
                    pa.array([record.timestamp for record in given], pa.int64()),
                ],
                schema=_SCHEMA,
            )
        )

    @classmethod
    def joined(cls, parts: Sequence[Records]) -> Records:
        """All records of some, in order."""
        return cls(pa.concat_tables([part._table for part in parts]))

    @property
    def keys(self) -> pa.BinaryArray:
        """The keys; null where there is none."""
        return self._table["key"].combine_chunks()

    @property
    def values(self) -> pa.BinaryArray:
        """The values; null where there is none."""
        return self._table["value"].combine_chunks()

    @property
    def offsets(self) -> pa.UInt64Array:
        """The offsets."""
        return self._table["offset"].combine_chunks()

    @property
    def timestamps(self) -> pa.Int64Array:
        """The times of receipt: milliseconds since 1970, UTC."""
        return self._table["timestamp"].combine_chunks()

    @property
    def size(self) -> int:
        """The total size of keys, values and headers; of a slice, of all headers of the whole."""
        texts = [self._table["key"], self._table["value"]]
        for chunk in self._table["headers"].chunks:
            texts += [chunk.keys, chunk.items]
        return sum(pc.sum(pc.binary_length(text)).as_py() or 0 for text in texts)

    @property
    def sizes(self) -> list[int]:
        """The size of each record: key, value and headers."""
        return [
            len(key or b"")
            + len(value or b"")
            + sum(len(name.encode()) + len(text or b"") for name, text in headers or [])
            for key, value, headers in zip(
                *(self._table[name].to_pylist() for name in ("key", "value", "headers")),
                strict=True,
            )
        ]

    def take(self, positions: Sequence[int]) -> Records:
        """The records at some positions."""
        return Records(self._table.take(pa.array(positions, pa.int64())))

    def __len__(self) -> int:
        return int(self._table.num_rows)

    @overload
    def __getitem__(self, index: int) -> Record: ...

    @overload
    def __getitem__(self, index: slice) -> Records: ...

    def __getitem__(self, index: int | slice) -> Record | Records:
        if isinstance(index, slice):
            start, stop, _ = index.indices(len(self))
            return Records(self._table.slice(start, max(0, stop - start)))
        key, value, headers, offset, timestamp = (
            column[index].as_py() for column in self._table.columns
        )
        return Record(key, value, headers or [], offset, timestamp)
