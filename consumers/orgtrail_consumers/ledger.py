"""The ledger: which batches are under way, and up to where a partition may be committed."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

from orgtrail_consumers.batch import Batch

P = TypeVar("P", bound=Hashable)


@dataclass
class _Entry:
    """``batch`` is ``None`` once it is stored: its records are not kept until the commit."""

    batch: Batch | None
    first_offset: int
    last_offset: int
    last_timestamp: int


class Ledger(Generic[P]):
    """Batches by partition, in the order in which they were fetched.

    Only what was marked as stored counts: Faust acknowledges also what it skips.
    """

    def __init__(self) -> None:
        self._entries: defaultdict[P, deque[_Entry]] = defaultdict(deque)
        self._stored_through: dict[P, int] = {}
        self._reached: dict[P, int] = {}

    def add(self, partition: P, batch: Batch) -> None:
        """A batch was handed out."""
        last = batch.records[-1]
        self._entries[partition].append(
            _Entry(batch, batch.records[0].offset, last.offset, last.timestamp)
        )
        self._reached[partition] = batch.last_offset

    def mark_stored(self, partition: P, batch: Batch) -> None:
        """Every record of the batch is stored or dead-lettered, and acknowledged.

        A batch from before ``forget`` is no longer known: marking it does nothing.
        """
        for entry in self._entries.get(partition, ()):
            if entry.batch is batch:
                entry.batch = None

    def holds(self, partition: P, batch: Batch) -> bool:
        """Whether the batch is of the present assignment and not stored, so may be written."""
        return any(entry.batch is batch for entry in self._entries.get(partition, ()))

    def take_committable(self, partition: P) -> int | None:
        """The offset to commit: past the last batch before which all are stored.

        Returns ``None`` when there is nothing new; the batches before it are forgotten.
        """
        entries = self._entries[partition]
        last: _Entry | None = None
        while entries and entries[0].batch is None:
            last = entries.popleft()
        if last is None:
            return None
        self._stored_through[partition] = last.last_timestamp
        return last.last_offset + 1

    def stored_through(self, partition: P) -> int | None:
        """The broker time (ms) of the last record that counts as committable."""
        return self._stored_through.get(partition)

    def first_unstored(self, partition: P) -> int | None:
        """The first offset of the first batch that is not stored; ``None`` when all are."""
        unstored = (e.first_offset for e in self._entries[partition] if e.batch is not None)
        return next(unstored, None)

    def under_way(self, partition: P, handed_out: int | None) -> bool:
        """Whether something is: a batch, or records up to ``handed_out`` that are in none yet."""
        return bool(self._entries[partition]) or self.waiting(partition, handed_out)

    def waiting(self, partition: P, handed_out: int | None) -> bool:
        """Whether records that were handed out are not stored yet."""
        if any(entry.batch is not None for entry in self._entries[partition]):
            return True
        return handed_out is not None and handed_out > self._reached.get(partition, -1)

    def forget(self, partition: P) -> None:
        """The partition was taken away: what is under way belongs to its next owner."""
        self._entries.pop(partition, None)
        self._stored_through.pop(partition, None)
        self._reached.pop(partition, None)
