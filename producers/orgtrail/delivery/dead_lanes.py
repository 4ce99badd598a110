"""Delivers the lanes of dead processes: adopts a few at a time and removes delivered ones."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

from orgtrail.delivery.lane import Lane, Position, lane_folders
from orgtrail.delivery.queue import Queue
from orgtrail.delivery.segments import Segment
from orgtrail.delivery.status import Notices

# Each adopted lane uses a few file descriptors, which count against the service's limit.
_AT_ONCE = 4


class Adopted:
    """The lanes of dead processes that this process delivers, oldest first.

    ``more`` is set while further lanes must be adopted. This process's own events wait until then,
    because they are newer and order must be preserved.
    """

    def __init__(
        self,
        spool: Path | None,
        topic: str,
        notices: Notices,
        on_damage: Callable[[Segment, int, bytes], None],
    ) -> None:
        self.more = False
        self._spool = spool
        self._topic = topic
        self._notices = notices
        self._on_damage = on_damage
        self._lanes: dict[Queue, Lane] = {}
        self._counts: dict[Queue, int] = {}

    def queues(self) -> list[Queue]:
        """Return the queues of the adopted lanes, oldest lane first."""
        lanes = dict(self._lanes)
        return sorted(lanes, key=lambda queue: lanes[queue].path.name)

    def take_over(self) -> None:
        """Adopt lanes whose process has died, up to the limit."""
        self.more = False
        if self._spool is None:
            return
        for path in lane_folders(self._spool, self._topic):
            lane = Lane.adopt(path)
            if lane is None:
                continue
            if len(self._lanes) >= _AT_ONCE:
                self.more = True
                lane.close()
                return
            try:
                self._add(lane)
            except OSError as error:
                lane.close()
                self._notices.say(
                    logging.ERROR,
                    "adopt",
                    "the events that a dead process left in %s cannot be read (%s)",
                    path,
                    error.strerror,
                )

    def count_one(self) -> None:
        """Count the waiting events of one lane. One per call, because it reads the whole lane."""
        for queue, lane in self._lanes.items():
            if queue not in self._counts:
                waiting = self._counts[queue] = queue.count()
                self._notices.say(
                    logging.WARNING,
                    "adopted",
                    "delivering %d events that a dead process left in %s",
                    waiting,
                    lane.path,
                )
                return

    def settled(self, queue: Queue, count: int) -> None:
        """Subtract records of a queue that were delivered or set aside."""
        self._counts[queue] = self._counts.get(queue, 0) - count

    def waiting(self) -> int:
        """Return the number of waiting events. A lane that is not counted yet counts as one."""
        counts = self._counts
        return sum(max(1, counts.get(queue, 1)) for queue in self.queues())

    def tidy(self) -> bool:
        """Remove delivered lanes; return whether there were any.

        Call this only while nothing is in flight.
        """
        removed = False
        for queue, lane in list(self._lanes.items()):
            queue.tidy()
            if queue.settled():
                del self._lanes[queue]
                self._counts.pop(queue, None)
                queue.close()
                lane.remove()
                removed = True
        return removed

    def leave(self) -> None:
        """Release all lanes, so that other processes can deliver the remaining events."""
        for queue, lane in self._lanes.items():
            queue.close()
            lane.close()
        self._lanes.clear()
        self._counts.clear()

    def abandon(self) -> None:
        """In a forked child, drop the lanes, which belong to the parent."""
        for queue, lane in self._lanes.items():
            queue.close()
            lane.forget()

    def _add(self, lane: Lane) -> None:
        queue = Queue(
            lane.segments(), lane.position, save=partial(_save, lane), on_damage=self._on_damage
        )
        if queue.settled():
            queue.close()
            lane.remove()
        else:
            self._lanes[queue] = lane


def _save(lane: Lane, position: Position) -> None:
    # If the position is not saved, the next process sends some records again. That is harmless,
    # because readers deduplicate.
    with suppress(OSError):
        lane.save(position)
