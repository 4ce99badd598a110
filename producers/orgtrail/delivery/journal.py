"""The journal that ``emit`` writes to: appends frames to this process's lane without a lock.

The journal is one queue of segments. If the disk cannot be written, the next segment is in memory,
and a later one is on disk again. Events stay in order, and a full disk does not block the service.
"""

from __future__ import annotations

import logging
import os
import time
from contextlib import suppress
from pathlib import Path

from orgtrail.delivery.lane import (
    Lane,
    Position,
    close_lock,
    open_lock,
    private,
    try_lock,
    used_bytes,
)
from orgtrail.delivery.queue import Queue
from orgtrail.delivery.real_threads import original, pause
from orgtrail.delivery.segments import SYNCING, MemorySegment, Segment
from orgtrail.delivery.status import Notices
from orgtrail.errors import BufferFullError, SpoolFullError

_LARGEST_SEGMENT = 4 * 1024 * 1024
_SMALLEST_SEGMENT = 16 * 1024
_FIRST_SEGMENT = 32 * 1024
_SEGMENTS = 64
_TRY_DISK_AGAIN_S = 5.0
_WAIT_FOR_ROLL_S = 1.0
_WAIT_FOR_FOLDER_S = 0.05


class Journal:
    """The writer of a queue of segments.

    ``spool`` is ``None`` for a journal in memory. ``max_bytes`` limits the whole spool folder, over
    all processes. ``memory_bytes`` and ``memory_events`` limit the events in this process's memory.
    """

    def __init__(
        self,
        spool: Path | None,
        *,
        topic: str,
        max_bytes: int,
        memory_bytes: int,
        memory_events: int,
        notices: Notices,
    ) -> None:
        self._spool = spool
        self._topic = topic
        self._max_bytes = max_bytes
        self._memory_bytes = memory_bytes
        self._memory_events = memory_events
        self._segment_bytes = min(_LARGEST_SEGMENT, max(_SMALLEST_SEGMENT, max_bytes // _SEGMENTS))
        self._notices = notices
        self._ident = original("get_ident")
        self._rolling = original("allocate_lock")()
        self._roller: int | None = None
        self._number = 0
        self._lane: Lane | None = None
        self._current: Segment | None = None
        self._sealed = False
        self._tried_disk_at = 0.0
        self._queue: Queue | None = None

    def attach(self, queue: Queue) -> None:
        """Connect the queue that reads this journal. Must be called before the first event."""
        self._queue = queue
        # Start with a segment of zero capacity, so that the first event creates the lane and a
        # file. A full spool must not keep a process from starting: it delivers the events in it.
        self._current = MemorySegment(0, 0)
        queue.segments.append(self._current)

    @property
    def on_disk(self) -> bool:
        """Whether the next event will survive the process."""
        current = self._current
        return current is not None and current.on_disk

    def append(self, ticket: int, frame: bytes, *, sync: bool = False) -> bool:
        """Append a frame; return ``False`` without appending if the journal was sealed.

        With ``sync``, the frame also survives a power cut when this returns.

        Raises:
            SpoolFullError, BufferFullError: the spool or the in-memory buffer is full, or the spool
                cannot be written; the frame was not appended.
        """
        while True:
            segment = self._current
            if segment is None:
                return False
            failed: OSError | None = None
            try:
                segment.writing.add(ticket)
                # Check again now that the ticket is set. If the journal rolled to a new segment
                # before, this one may be finished or closed. If it rolls now, the ticket keeps
                # this one open.
                if segment is not self._current:
                    continue
                if segment.size + len(frame) <= segment.capacity:
                    segment.append(frame)
                    if sync:
                        segment.sync()
                    return True
            except OSError as error:
                failed = error
            finally:
                segment.writing.discard(ticket)
            self._roll(segment, len(frame), failed)

    def sync(self) -> None:
        """Sync all appended frames to disk, so that they survive a power cut.

        Raises:
            OSError: the disk fails.
        """
        segments = self._queue.segments if self._queue is not None else ()
        for segment in list(segments):
            try:
                segment.writing.add(SYNCING)
                if segment in segments:
                    segment.sync()
            finally:
                segment.writing.discard(SYNCING)

    def unsynced(self) -> bool:
        """Whether there are frames on disk that are not synced."""
        queue = self._queue
        return queue is not None and any(
            segment.on_disk and segment.size > segment.synced for segment in list(queue.segments)
        )

    def tend(self) -> None:
        """Return to disk after an error, and detect a removed spool. Called by the sender."""
        current = self._current
        if current is None or self._spool is None:
            return
        if not current.on_disk:
            if time.monotonic() - self._tried_disk_at > _TRY_DISK_AGAIN_S and current.size:
                current.capacity = 0
        elif current.unlinked():
            current.capacity = 0
            self._notices.say(
                logging.ERROR,
                "spool_removed",
                "the spool %s was removed while a process uses it: its waiting events can be"
                " delivered only while this process runs",
                self._spool,
            )

    def finish(self) -> None:
        """Mark segments without active writers as finished. Called by the sender."""
        queue = self._queue
        for segment in list(queue.segments) if queue is not None else ():
            if segment is not self._current and not segment.writing:
                segment.finished = True

    def save(self, position: Position) -> None:
        """Store the position up to which the journal was delivered."""
        if self._lane is not None:
            # If this fails, records are sent again after a crash, which is harmless.
            with suppress(OSError):
                self._lane.save(position)

    def seal(self, seconds: float) -> None:
        """Accept no more frames, and wait up to ``seconds`` for active writers."""
        self._sealed = True
        locked = self._roller != self._ident() and self._rolling.acquire(timeout=seconds)
        self._current = None
        if locked:
            self._rolling.release()
        self.sealed(seconds)

    def sealed(self, seconds: float) -> bool:
        """Wait up to ``seconds``; return whether the journal is sealed and has no writers."""
        queue = self._queue
        if queue is None or not self._rolling.acquire(timeout=seconds):
            return False
        self._rolling.release()
        if self._current is not None:
            return False
        deadline = time.monotonic() + seconds
        segments = list(queue.segments)
        while any(segment.writing - {SYNCING} for segment in segments):
            if time.monotonic() > deadline:
                return False
            pause(0.001)
        for segment in segments:
            segment.finished = True
        return True

    def leave(self, *, empty: bool) -> None:
        """Release the lane. ``empty``: delete its folder, because everything was delivered."""
        if self._lane is None:
            return
        if empty:
            self._lane.remove()
        else:
            self._lane.reserve(0)
            self._lane.close()
        self._lane = None

    def abandon(self) -> None:
        """In a forked child, close the inherited files and forget the parent's lane."""
        if self._lane is not None:
            self._lane.forget()
        if self._queue is not None:
            self._queue.close()

    def _roll(self, full: Segment, size: int, failed: OSError | None) -> None:
        me = self._ident()
        if self._roller == me:
            # Reentrant call: a signal or log handler emits while it interrupts this function.
            # Waiting for the lock would deadlock.
            if failed is not None:
                raise SpoolFullError(f"the spool cannot be written ({failed.strerror})")
            # Extend the current segment instead of rolling.
            full.capacity = full.size + size
            return
        if not self._rolling.acquire(timeout=_WAIT_FOR_ROLL_S):
            if self._roller is not None:
                raise SpoolFullError("the spool's disk does not respond")
            # The lock is held but no roller is set: an exception from a signal handler ended the
            # holder between the two statements. Release the lock for it.
            with suppress(RuntimeError):
                self._rolling.release()
            return
        try:
            self._roller = me
            if self._current is full and self._queue is not None and not self._sealed:
                following = self._next_segment(size, failed)
                self._queue.segments.append(following)
                self._current = following
                if self._sealed:
                    # The journal was sealed while this roll was slow, and seal() did not wait for
                    # it. What is appended from now on belongs to another journal.
                    self._current = None
        finally:
            self._roller = None
            self._rolling.release()

    def _next_segment(self, size: int, failed: OSError | None) -> Segment:
        self._number += 1
        if self._spool is None:
            return self._memory_segment(size)
        if failed is None:
            try:
                return self._disk_segment(self._spool, size)
            except OSError as error:
                failed = error
        self._say_degraded(failed)
        return self._memory_segment(size)

    def _disk_segment(self, spool: Path, size: int) -> Segment:
        if self._lane is None or not self._lane.path.exists():
            self._lane = self._new_lane(spool)
        # Start small and grow, because reserved space is not available to other processes.
        capacity = max(min(self._segment_bytes, _FIRST_SEGMENT << min(self._number, 10)), size)
        with _FolderLock(spool):
            self._lane.reserve(0)
            used = used_bytes(spool)
            if used + capacity > self._max_bytes:
                raise SpoolFullError(
                    f"the spool {spool} is full: {used} of {self._max_bytes} bytes are in use"
                    " (ORGTRAIL_SPOOL_MEGABYTES)"
                )
            segment = self._lane.new_segment(self._number, capacity)
        if self._notices.clear("spool_unusable"):
            logging.getLogger("orgtrail").warning("the spool %s can be written again", spool)
        return segment

    def _memory_segment(self, size: int) -> Segment:
        self._tried_disk_at = time.monotonic()
        segments = list(self._queue.segments) if self._queue is not None else []
        waiting = [segment for segment in segments if not segment.on_disk]
        used = sum(segment.size for segment in waiting)
        capacity = max(min(_LARGEST_SEGMENT // 4, self._memory_bytes - used), 0)
        if used + size > self._memory_bytes:
            raise BufferFullError(
                f"the in-memory buffer is full: {used // 1000} kB of events wait for Kafka"
                " (ORGTRAIL_BUFFER_KILOBYTES)"
            )
        return MemorySegment(self._number, max(capacity, size))

    def check_memory(self, waiting: int) -> None:
        """Check the limit on events in memory. ``waiting`` is this process's number of events.

        Raises:
            BufferFullError: the limit is reached.
        """
        segments = list(self._queue.segments) if self._queue is not None else []
        frames = sum(segment.frames for segment in segments if isinstance(segment, MemorySegment))
        # Both are upper bounds: frames include delivered events, and waiting those on disk.
        in_memory = min(frames, waiting)
        if in_memory >= self._memory_events:
            raise BufferFullError(
                f"the in-memory buffer is full: {in_memory} events wait for Kafka"
                " (ORGTRAIL_BUFFER_EVENTS)"
            )

    def _new_lane(self, spool: Path) -> Lane:
        private(spool)
        name = f"{time.time_ns() // 1_000_000:013d}-{os.getpid()}-{os.urandom(3).hex()}"
        return Lane.create(spool, self._topic, name)

    def _say_degraded(self, error: OSError) -> None:
        self._notices.say(
            logging.ERROR,
            "spool_unusable",
            "the spool %s cannot be written (%s): events are held in memory and do not survive this"
            " process; set ORGTRAIL_SPOOL_DIR to a writable folder, or ORGTRAIL_SPOOL=memory",
            self._spool,
            error.strerror or error,
        )


class _FolderLock:
    """Keeps processes from reserving the same space in the spool; waits at most 50 ms.

    A process that is suspended while it holds the lock must not block the others. After the timeout
    they continue without the lock, so the spool may exceed its limit by one segment.
    """

    def __init__(self, spool: Path) -> None:
        self._path = spool / "lock"
        self._fd = -1

    def __enter__(self) -> None:
        self._fd = open_lock(self._path, 0)
        deadline = time.monotonic() + _WAIT_FOR_FOLDER_S
        try:
            while not try_lock(self._fd) and time.monotonic() < deadline:
                pause(0.0005)
        except BaseException:
            close_lock(self._fd)
            raise

    def __exit__(self, *_error: object) -> None:
        close_lock(self._fd)
