"""A batch: consecutive records of one partition, as the transport hands them to the agent."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import NamedTuple, Protocol

from orgtrail_schemas.reasons import Reason


class Record(Protocol):
    """What is used of a fetched record; aiokafka's has more."""

    @property
    def key(self) -> bytes | None:
        """The organization's id, when the producer set it."""
        ...

    @property
    def value(self) -> bytes | None:
        """The framed event."""
        ...

    @property
    def headers(self) -> Sequence[tuple[str, bytes]]:
        """Names and values, in order; a name may come twice."""
        ...

    @property
    def offset(self) -> int:
        """Its place in the partition."""
        ...

    @property
    def timestamp(self) -> int:
        """When the broker appended it: milliseconds since 1970, UTC."""
        ...


@dataclass(frozen=True)
class Batch:
    """Records of one partition, in offset order; never empty before ``let_go``."""

    topic: str
    partition: int
    records: list[Record]

    def let_go(self) -> None:
        """Free the records, whoever else holds the list: the rows made of them suffice from here.

        They would wait for ClickHouse beside the rows (docs/benchmarks.md, "Where memory goes").
        """
        self.records.clear()

    @property
    def last_offset(self) -> int:
        """The offset of the last record."""
        return self.records[-1].offset


class Rejected(NamedTuple):
    """One record that cannot be stored: its position in the batch, and why.

    ``detail`` is for the operator; it never holds a value of the event.
    """

    position: int
    reason: Reason
    detail: str


def size(records: Sequence[Record]) -> int:
    """The bytes of their values together."""
    return sum(map(len, filter(None, map(attrgetter("value"), records))))


def cut(records: list[Record], max_records: int, max_bytes: int) -> Iterator[list[Record]]:
    """The records in slices of at most so many records and bytes; a larger record stands alone."""
    if 0 < len(records) <= max_records and size(records) <= max_bytes:
        yield records
        return
    start = taken = 0
    for index, record in enumerate(records):
        length = len(record.value or b"")
        if index > start and (index - start >= max_records or taken + length > max_bytes):
            yield records[start:index]
            start, taken = index, 0
        taken += length
    if start < len(records):
        yield records[start:]
