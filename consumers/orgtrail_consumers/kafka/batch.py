"""Batches: consecutive records of one partition, from the transport to the pipeline."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import NamedTuple, Protocol

from orgtrail_schemas.reasons import Reason


class Record(Protocol):
    """The attributes of a fetched record that the consumer uses; aiokafka's records have more."""

    @property
    def key(self) -> bytes | None:
        """The organization's ID, if the producer set it."""
        ...

    @property
    def value(self) -> bytes | None:
        """The framed event."""
        ...

    @property
    def headers(self) -> Sequence[tuple[str, bytes]]:
        """Names and values, in order; a name may occur more than once."""
        ...

    @property
    def offset(self) -> int:
        """The record's offset in its partition."""
        ...

    @property
    def timestamp(self) -> int:
        """When the broker appended the record: milliseconds since 1970, UTC."""
        ...


@dataclass(frozen=True)
class BatchLimits:
    """The limits of one batch. A record larger than ``bytes`` becomes a batch of its own."""

    records: int
    bytes: int


class Batch(NamedTuple):
    """Records of one partition, in offset order; never empty."""

    topic: str
    partition: int
    records: Sequence[Record]


class Delivery:
    """A batch on its way to the agent. It keeps the batch's offsets after the records are taken.

    Faust's message and the offset tracker refer to the delivery until it is committed. The records
    are needed only until they are converted to rows. If the delivery kept them, they would stay in
    memory beside the rows that wait for ClickHouse (docs/benchmarks.md, "Where memory goes").
    """

    def __init__(self, batch: Batch) -> None:
        first, last = batch.records[0], batch.records[-1]
        self.first_offset = first.offset
        self.last_offset = last.offset
        self.last_timestamp = last.timestamp
        """When the broker appended the last record: milliseconds since 1970, UTC."""
        self._batch: Batch | None = batch

    def take(self) -> Batch:
        """Return the batch and drop the reference to it. Call this only once.

        Raises:
            RuntimeError: the batch was already taken.
        """
        batch, self._batch = self._batch, None
        if batch is None:
            raise RuntimeError("the batch was already taken")
        return batch


class Rejected(NamedTuple):
    """One record that cannot be stored: its position in the batch, and why.

    ``detail`` is for the operator. It never contains a value of the event.
    """

    position: int
    reason: Reason
    detail: str


def size(records: Sequence[Record]) -> int:
    """The total size of the records' values in bytes."""
    return sum(map(len, filter(None, map(attrgetter("value"), records))))


def cut(records: list[Record], limits: BatchLimits) -> Iterator[list[Record]]:
    """Cut the records into slices within the limits. A larger record is a slice of its own."""
    if 0 < len(records) <= limits.records and size(records) <= limits.bytes:
        yield records
        return
    start = slice_bytes = 0
    for index, record in enumerate(records):
        length = len(record.value or b"")
        too_large = index - start >= limits.records or slice_bytes + length > limits.bytes
        if index > start and too_large:
            yield records[start:index]
            start, slice_bytes = index, 0
        slice_bytes += length
    if start < len(records):
        yield records[start:]
