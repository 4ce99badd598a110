"""Reads the records of one lane in order, and reads unacknowledged ones again after a failure."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from orgtrail.delivery.frames import MARK, Parsed, parse
from orgtrail.delivery.lane import Position
from orgtrail.delivery.segments import Segment
from orgtrail.envelope import Envelope

_WINDOW = 256 * 1024


@dataclass(eq=False)
class Batch:
    """Consecutive records of a queue in flight.

    ``unsettled`` counts records without a delivery report. ``refused`` holds the reasons for
    records that Kafka rejected. ``dropped`` means that the records will be read again, so later
    delivery reports for them are ignored.
    """

    queue: Queue
    start: Position
    end: Position
    envelopes: list[Envelope]
    bytes: int
    oldest: int
    unsettled: int = 0
    dropped: bool = False
    refused: list[str] = field(default_factory=list)


class Queue:
    """The segments of a lane with two cursors: the read and the acknowledged position.

    Only the sender's thread moves the cursors. Writers only append segments, and append frames to
    the last segment. Therefore no lock is needed.
    """

    def __init__(
        self,
        segments: Iterable[Segment],
        position: Position,
        *,
        save: Callable[[Position], None],
        on_damage: Callable[[Segment, int, bytes], None],
    ) -> None:
        """``save`` stores the position; ``on_damage`` is called with damaged bytes."""
        self.segments: deque[Segment] = deque(segments)
        self._leaving: list[Segment] = []
        self._save = save
        self._on_damage = on_damage
        self._acknowledged = position
        self._read = position

    def read(self, limit: int, size: int) -> Batch | None:
        """Return the next records, at most ``limit`` and about ``size`` bytes, or ``None``."""
        segment = self._segment()
        while segment is not None:
            # Read the flag before the data. If it is set, no writer appends any more, so the data
            # read afterwards is complete.
            finished = segment.finished
            start = Position(segment.number, self._read.offset)
            parsed = self._parse(segment, start.offset, limit, min(size, _WINDOW), finished)
            end = Position(segment.number, start.offset + parsed.end)
            for first, last in parsed.damaged:
                damage = segment.read(start.offset + first, last - first)
                self._on_damage(segment, start.offset + first, damage)
            self._read = end
            if parsed.frames:
                envelopes = [frame.envelope for frame in parsed.frames]
                return Batch(self, start, end, envelopes, parsed.end, envelopes[0].accepted_at)
            if not finished or not self._next(segment):
                return None
            segment = self._segment()
        return None

    def unread(self) -> bool:
        """Whether there may be something to read. Does no I/O; safe to call from other threads."""
        segments = self.segments
        if not segments:
            return False
        last = segments[-1]
        return last.number > self._read.segment or last.size > self._read.offset

    def acknowledge(self, end: Position) -> None:
        """Record that everything up to ``end`` was delivered or set aside."""
        self._acknowledged = end
        self._drop_delivered()
        self._save(end)

    def tidy(self) -> None:
        """Mark everything that was read as acknowledged, and drop delivered segments.

        Call this only while nothing is in flight.
        """
        moved = self._read > self._acknowledged
        self._acknowledged = max(self._acknowledged, self._read)
        if self._drop_delivered() or moved:
            self._save(self._acknowledged)

    def rewind(self, position: Position | None = None) -> None:
        """Move the read cursor back to ``position``, by default the acknowledged position."""
        self._read = position or self._acknowledged

    def settled(self) -> bool:
        """Whether all records were acknowledged."""
        for segment in list(self.segments):
            try:
                if segment.measure() > self._offset_in(segment):
                    return False
            except OSError:
                continue  # The sender has just delivered and removed it.
        return True

    def count(self) -> int:
        """Estimate the number of waiting records by counting markers, without decoding."""
        return sum(
            segment.read(offset, _WINDOW + len(MARK) - 1).count(MARK)
            for segment in list(self.segments)
            for offset in range(self._offset_in(segment), segment.measure(), _WINDOW)
        )

    def close(self) -> None:
        """Close the files without deleting them."""
        closing = [*self.segments, *self._leaving]
        # Empty the queue first: a syncing thread adds its ticket and then checks that the segment
        # is still in the queue. A segment that has a ticket stays open.
        self.segments.clear()
        self._leaving.clear()
        for segment in closing:
            if not segment.writing:
                segment.close()

    def _segment(self) -> Segment | None:
        """Return the segment at the read cursor; move the cursor past removed segments."""
        for segment in list(self.segments):
            if segment.number >= self._read.segment:
                if segment.number > self._read.segment:
                    self._read = Position(segment.number, 0)
                return segment
        return None

    def _next(self, segment: Segment) -> bool:
        if self.segments[-1] is segment:
            return False
        self._read = Position(segment.number + 1, 0)
        return True

    def _parse(
        self, segment: Segment, offset: int, limit: int, size: int, finished: bool
    ) -> Parsed:
        while True:
            data = segment.read(offset, size)
            last = len(data) < size
            parsed = parse(data, limit, last=last and finished)
            if parsed.end or last:
                if parsed.torn:
                    # Skip a torn record. Its append did not complete, so no accepted event is lost.
                    return parsed._replace(end=len(data))
                return parsed
            size *= 2

    def _drop_delivered(self) -> bool:
        dropped = False
        while self.segments:
            segment = self.segments[0]
            if not segment.finished or segment.measure() > self._offset_in(segment):
                break
            self._leaving.append(self.segments.popleft())
            dropped = True
        # A segment must not be closed while another thread syncs it. That thread first adds its
        # ticket to ``writing`` and then checks that the segment is in the queue. Here the order is
        # reversed: first remove the segment, then check for tickets. So one side sees the other.
        for segment in [s for s in self._leaving if not s.writing]:
            self._leaving.remove(segment)
            segment.remove()
        return dropped

    def _offset_in(self, segment: Segment) -> int:
        if segment.number < self._acknowledged.segment:
            return segment.measure()
        return self._acknowledged.offset if segment.number == self._acknowledged.segment else 0
