"""Patches how aiokafka reads records: names of headers that are not valid UTF-8, and memory.

Kafka accepts any bytes as a header name. aiokafka raises at such a name before it advances, so
every owner of the partition would fail at the same record forever. With the patch, a batch that
holds such a name is decoded a second time by aiokafka's pure-Python reader, with U+FFFD in place
of the invalid bytes.

aiokafka also copies each record into a second object, which costs more than reading it. With the
patch it hands out the records as its reader made them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain, islice
from typing import Any

from aiokafka.consumer import fetcher
from aiokafka.record.default_records import _DefaultRecordBatchPy
from aiokafka.record.memory_records import MemoryRecords

_LENGTH_AT, _LENGTH_ENDS = 8, 12
"""Position of a batch's length field, which counts the bytes after it ("Record Batch")."""


def patch_reading() -> None:
    """Patch aiokafka's consumers in this whole process. Call this before they start."""
    fetcher.MemoryRecords = RecordBatches
    fetcher.PartitionRecords = _PartitionRecords


class _PartitionRecords(fetcher.PartitionRecords):
    def _consumer_record(self, _tp: Any, record: Any) -> Any:
        return record


class RecordBatches:
    """The batches of one fetch response. Replaces aiokafka's ``MemoryRecords``."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._records = MemoryRecords(data)
        self._at = 0

    def has_next(self) -> bool:
        """Whether there is another batch."""
        return self._records.has_next()

    def size_in_bytes(self) -> int:
        """The size of all batches."""
        return self._records.size_in_bytes()

    def next_batch(self) -> Any:
        """The next batch."""
        begin = self._at
        length = int.from_bytes(self._data[begin + _LENGTH_AT : begin + _LENGTH_ENDS], "big")
        self._at = begin + _LENGTH_ENDS + length
        return _Batch(self._records.next_batch(), self._data, begin, self._at)


class _Batch:
    def __init__(self, batch: Any, data: bytes, begin: int, end: int) -> None:
        self._batch = batch
        self._data, self._begin, self._end = data, begin, end

    def __getattr__(self, name: str) -> Any:
        return getattr(self._batch, name)

    def __next__(self) -> Any:
        return next(self._batch)

    def __iter__(self) -> Iterator[Any]:
        return chain.from_iterable(self._groups())

    def _groups(self) -> Iterator[Iterable[Any]]:
        """Yield records in groups, because resuming a generator costs more than reading a record.

        Invariant: each record is yielded exactly once, in order. ``done`` counts the records of
        complete groups only. When a name fails to decode, the group that it is in was not yielded,
        so the second reader starts right after ``done``.
        """
        # aiokafka's iterator can be started only once and must not be advanced after exhaustion.
        records, done = chain(self._batch), 0
        try:
            while group := list(islice(records, _GROUP)):
                yield group
                done += len(group)
        except UnicodeDecodeError:
            yield islice(_leniently(self._data[self._begin : self._end]), done, None)


_GROUP = 200


def _leniently(data: bytes) -> Iterator[Any]:
    batch = _DefaultRecordBatchPy(data)
    batch._maybe_uncompress()
    batch._buffer = _Lenient(batch._buffer)
    return iter(batch)


class _Lenient(bytearray):
    """Bytes whose slices decode without errors, with U+FFFD for invalid UTF-8."""

    def __getitem__(self, index: Any) -> Any:
        part = super().__getitem__(index)
        return _Lenient(part) if isinstance(index, slice) else part

    def decode(self, encoding: str = "utf-8", _errors: str = "replace") -> str:
        return super().decode(encoding, "replace")
