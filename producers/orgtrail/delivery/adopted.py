"""The lanes of processes that have died: taken over a few at a time, and removed when delivered."""

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

# Each holds a few descriptors, which the service needs for itself.
_AT_ONCE = 4


class Adopted:
    """The lanes that this process delivers for others, the oldest first.

    ``more`` tells that there are further ones to take over; this process's own events wait as long,
    since they are newer.
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
        """What is read of them, the oldest first, in whatever order they were taken over."""
        lanes = dict(self._lanes)
        return sorted(lanes, key=lambda queue: lanes[queue].path.name)

    def take_over(self) -> None:
        """Look for lanes whose process has died."""
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
                    "what an ended process left in %s cannot be read (%s)",
                    path,
                    error.strerror,
                )

    def count_one(self) -> None:
        """Count what waits in one of them: reading it through takes a while."""
        for queue, lane in self._lanes.items():
            if queue not in self._counts:
                waiting = self._counts[queue] = queue.count()
                self._notices.say(
                    logging.WARNING,
                    "adopted",
                    "delivering %d events that an ended process left in %s",
                    waiting,
                    lane.path,
                )
                return

    def settled(self, queue: Queue, count: int) -> None:
        """So many records of a queue were delivered or set aside."""
        self._counts[queue] = self._counts.get(queue, 0) - count

    def waiting(self) -> int:
        """How many events wait in them; one for each that was not counted yet."""
        counts = self._counts
        return sum(max(1, counts.get(queue, 1)) for queue in self.queues())

    def tidy(self) -> bool:
        """While nothing is on its way: remove what was delivered; whether there was any."""
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
        """Give them up; what is left in them is for others to deliver."""
        for queue, lane in self._lanes.items():
            queue.close()
            lane.close()
        self._lanes.clear()
        self._counts.clear()

    def abandon(self) -> None:
        """In a child of a fork: they are the parent's."""
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
    # Without it records are sent again by whoever comes next, which is harmless.
    with suppress(OSError):
        lane.save(position)
