"""What waits in one lane, in order: read once, acknowledged later, read again after a failure."""

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
    """Consecutive records of a queue on their way.

    ``unsettled`` counts those of which Kafka has not said anything yet; ``refused`` holds the
    reasons of those that it will never take; ``dropped`` tells that the records will be read again
    and that what is still heard of them does not count.
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
    """The segments of a lane with two cursors: what was read, and what was acknowledged.

    Only the sender's thread moves the cursors. A writer only appends segments, and frames to the
    last of them.
    """

    def __init__(
        self,
        segments: Iterable[Segment],
        position: Position,
        *,
        save: Callable[[Position], None],
        on_damage: Callable[[Segment, int, bytes], None],
    ) -> None:
        """``save`` remembers the position; ``on_damage`` gets bytes that are no frame."""
        self.segments: deque[Segment] = deque(segments)
        self._leaving: list[Segment] = []
        self._save = save
        self._on_damage = on_damage
        self._acknowledged = position
        self._read = position

    def read(self, limit: int, size: int) -> Batch | None:
        """The next records: up to ``limit`` of them, and about ``size`` bytes."""
        segment = self._segment()
        while segment is not None:
            # Asked before reading: what is there afterwards is then all there will ever be.
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
        """Whether there may be something to read. Asked by other threads too; it reads nothing."""
        segments = self.segments
        if not segments:
            return False
        last = segments[-1]
        return last.number > self._read.segment or last.size > self._read.offset

    def acknowledge(self, end: Position) -> None:
        """Everything up to there was delivered or set aside, in order."""
        self._acknowledged = end
        self._drop_delivered()
        self._save(end)

    def tidy(self) -> None:
        """While nothing is on its way: what was read was settled; let go of what is finished."""
        moved = self._read > self._acknowledged
        self._acknowledged = max(self._acknowledged, self._read)
        if self._drop_delivered() or moved:
            self._save(self._acknowledged)

    def rewind(self, position: Position | None = None) -> None:
        """Read again from what was acknowledged last."""
        self._read = position or self._acknowledged

    def settled(self) -> bool:
        """Whether everything in it was acknowledged."""
        for segment in list(self.segments):
            try:
                if segment.measure() > self._offset_in(segment):
                    return False
            except OSError:
                continue  # The sender has just removed it: it was delivered.
        return True

    def count(self) -> int:
        """About how many records wait, counted by their marks without decoding them."""
        return sum(
            segment.read(offset, _WINDOW + len(MARK) - 1).count(MARK)
            for segment in list(self.segments)
            for offset in range(self._offset_in(segment), segment.measure(), _WINDOW)
        )

    def close(self) -> None:
        """Close the files; what they hold stays."""
        closing = [*self.segments, *self._leaving]
        # Whoever syncs a file looks for it here after it put its ticket in.
        self.segments.clear()
        self._leaving.clear()
        for segment in closing:
            if not segment.writing:
                segment.close()

    def _segment(self) -> Segment | None:
        """The segment that is being read; the cursor steps over those that are gone."""
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
                    # Nobody was told that a torn record was taken: it is no loss.
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
        # Whoever syncs a file puts a ticket into ``writing`` and looks then whether the segment is
        # still in the queue: it was taken out of the queue before this looks at the ticket.
        for segment in [s for s in self._leaving if not s.writing]:
            self._leaving.remove(segment)
            segment.remove()
        return dropped

    def _offset_in(self, segment: Segment) -> int:
        if segment.number < self._acknowledged.segment:
            return segment.measure()
        return self._acknowledged.offset if segment.number == self._acknowledged.segment else 0
