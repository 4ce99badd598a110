"""Header names that are no UTF-8: Kafka takes any bytes, and aiokafka would stop at them for ever.

aiokafka raises before it moves on, so every owner of the partition would meet the record again. A
batch that holds such a name is read a second time, by aiokafka's reader in Python, with U+FFFD for
what is no UTF-8.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain, islice
from typing import Any

from aiokafka.consumer import fetcher
from aiokafka.record.default_records import _DefaultRecordBatchPy
from aiokafka.record.memory_records import MemoryRecords

_LENGTH_AT, _LENGTH_ENDS = 8, 12
"""Where a batch says how many bytes follow (Kafka protocol, "Record Batch")."""


def patch_header_decoding() -> None:
    """Have aiokafka's consumers read every record of this process; call before they start."""
    fetcher.MemoryRecords = Records


class Records:
    """The batches of one answer to a fetch, as aiokafka's ``MemoryRecords``."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._records = MemoryRecords(data)
        self._at = 0

    def has_next(self) -> bool:
        """Whether there is another batch."""
        return self._records.has_next()

    def size_in_bytes(self) -> int:
        """Of all batches."""
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
        return chain.from_iterable(self._some())

    def _some(self) -> Iterator[Iterable[Any]]:
        """A few records at once: a generator entered for each one costs more than to read it."""
        # aiokafka's own iterator may be begun once only, and not be asked again after its end.
        records, done = chain(self._batch), 0
        try:
            while some := list(islice(records, _FEW)):
                yield some
                done += len(some)
        except UnicodeDecodeError:
            yield islice(_leniently(self._data[self._begin : self._end]), done, None)


_FEW = 200


def _leniently(data: bytes) -> Iterator[Any]:
    batch = _DefaultRecordBatchPy(data)
    batch._maybe_uncompress()
    batch._buffer = _Lenient(batch._buffer)
    return iter(batch)


class _Lenient(bytearray):
    """Bytes whose parts are decoded whatever they are."""

    def __getitem__(self, place: Any) -> Any:
        found = super().__getitem__(place)
        return _Lenient(found) if isinstance(place, slice) else found

    def decode(self, encoding: str = "utf-8", _errors: str = "replace") -> str:
        return super().decode(encoding, "replace")
