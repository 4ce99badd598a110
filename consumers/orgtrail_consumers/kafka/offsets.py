"""Offsets: which batches are in progress, and up to which offset a partition can be committed."""

from __future__ import annotations

from collections import defaultdict, deque
from dataclasses import dataclass

from faust.types import TP

from orgtrail_consumers.kafka.batch import Delivery


@dataclass
class _Entry:
    delivery: Delivery
    stored: bool = False


class OffsetTracker:
    """Tracks the deliveries of each partition, in the order in which they were fetched.

    Invariant: a committable offset never passes a delivery that is not stored. It holds because
    deliveries leave the queue only at its front, and only once they are marked as stored. After
    ``forget`` a delivery is unknown, so marking it late has no effect. Faust's acknowledgements do
    not count here: Faust also acknowledges messages that it skips.
    """

    def __init__(self) -> None:
        self._entries: defaultdict[TP, deque[_Entry]] = defaultdict(deque)
        self._stored_through: dict[TP, int] = {}
        self._reached: dict[TP, int] = {}

    def add(self, partition: TP, delivery: Delivery) -> None:
        """Add a delivery that is on its way to the agent."""
        self._entries[partition].append(_Entry(delivery))
        self._reached[partition] = delivery.last_offset

    def mark_stored(self, partition: TP, delivery: Delivery) -> None:
        """Mark a delivery whose records are all acknowledged, by ClickHouse or as dead letters.

        Marking a delivery from before ``forget`` has no effect.
        """
        for entry in self._entries.get(partition, ()):
            if entry.delivery is delivery:
                entry.stored = True

    def holds(self, partition: TP, delivery: Delivery) -> bool:
        """Whether the delivery belongs to the current assignment and is not stored yet."""
        return any(
            entry.delivery is delivery and not entry.stored
            for entry in self._entries.get(partition, ())
        )

    def pop_committable(self, partition: TP) -> int | None:
        """Return the offset to commit, and remove the deliveries before it.

        It is the offset after the last delivery of the stored ones at the front of the queue.
        Returns ``None`` if there is nothing new to commit.
        """
        entries = self._entries[partition]
        last: _Entry | None = None
        while entries and entries[0].stored:
            last = entries.popleft()
        if last is None:
            return None
        self._stored_through[partition] = last.delivery.last_timestamp
        return last.delivery.last_offset + 1

    def stored_through(self, partition: TP) -> int | None:
        """The broker time (milliseconds since 1970) of the last committable record."""
        return self._stored_through.get(partition)

    def first_unstored(self, partition: TP) -> int | None:
        """The first offset of the first delivery that is not stored; ``None`` if all are."""
        unstored = (e.delivery.first_offset for e in self._entries[partition] if not e.stored)
        return next(unstored, None)

    def in_progress(self, partition: TP, last_polled: int | None) -> bool:
        """Whether a delivery is in progress, or polled records are not in a delivery yet."""
        return bool(self._entries[partition]) or self.waiting(partition, last_polled)

    def waiting(self, partition: TP, last_polled: int | None) -> bool:
        """Whether records up to ``last_polled`` are not stored yet."""
        if any(not entry.stored for entry in self._entries[partition]):
            return True
        return last_polled is not None and last_polled > self._reached.get(partition, -1)

    def forget(self, partition: TP) -> None:
        """Forget a revoked partition: its next owner fetches the unstored records again."""
        self._entries.pop(partition, None)
        self._stored_through.pop(partition, None)
        self._reached.pop(partition, None)
