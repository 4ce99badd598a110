"""Batches: consecutive records of one partition, from the transport to the pipeline."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from orgtrail_consumers.kafka.records import Records
from orgtrail_schemas.reasons import Reason


@dataclass(frozen=True)
class BatchLimits:
    """The limits of one batch. A record larger than ``bytes`` becomes a batch of its own."""

    records: int
    bytes: int


class Batch(NamedTuple):
    """Records of one partition, in offset order; never empty."""

    topic: str
    partition: int
    records: Records


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


def cut(records: Records, limits: BatchLimits) -> Iterator[Records]:
    """Cut the records into slices within the limits. A larger record is a slice of its own."""
    if 0 < len(records) <= limits.records and records.size <= limits.bytes:
        yield records
        return
    start = slice_bytes = 0
    for index, length in enumerate(records.sizes):
        too_large = index - start >= limits.records or slice_bytes + length > limits.bytes
        if index > start and too_large:
            yield records[start:index]
            start, slice_bytes = index, 0
        slice_bytes += length
    if start < len(records):
        yield records[start:]
