"""Where ``emit`` writes: appends frames to the lane of this process, without a lock.

The journal is one queue of segments. When the disk cannot be written, the next segment is in
memory, and the one after it on disk again: events stay in order, and a full disk stops nobody.
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
    """The writing end of a queue of segments.

    ``spool`` is ``None`` for a journal in memory. ``max_bytes`` bounds the whole folder, whoever
    wrote into it; ``memory_bytes`` and ``memory_events`` bound what waits in this process's memory.
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
        self._last: Segment | None = None
        self._sealed = False
        self._tried_disk_at = 0.0
        self._queue: Queue | None = None

    def attach(self, queue: Queue) -> None:
        """The queue that reads what is written here, before the first event."""
        self._queue = queue
        # Without room: the first event makes the lane and a segment. A full spool must not keep a
        # process from starting, since it delivers what fills it.
        self._current = MemorySegment(0, 0)
        queue.segments.append(self._current)

    @property
    def on_disk(self) -> bool:
        """Whether the next event survives the process."""
        current = self._current
        return current is not None and current.on_disk

    def append(self, ticket: int, frame: bytes, *, sync: bool = False) -> bool:
        """Append a frame; ``False`` when the journal was sealed, and the frame is not in it.

        With ``sync`` it also survives a power cut when this returns.

        Raises:
            SpoolFullError, BufferFullError: a bound is reached; the frame was not taken.
        """
        while True:
            segment = self._current
            if segment is None:
                return False
            failed: OSError | None = None
            try:
                segment.writing.add(ticket)
                # Asked again: had it been rolled before the ticket was in, it might be closed now.
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
        """Make what was appended survive a power cut.

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
        """Whether something of it would not survive a power cut."""
        queue = self._queue
        return queue is not None and any(
            segment.on_disk and segment.size > segment.synced for segment in list(queue.segments)
        )

    def tend(self) -> None:
        """From the sender, now and then: go back to the disk; notice a folder that was removed."""
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
                "the spool %s was removed under a running process: what waits in it is delivered"
                " as long as this process lives",
                self._spool,
            )

    def finish(self) -> None:
        """From the sender: mark the segments that nobody writes to any more."""
        queue = self._queue
        for segment in list(queue.segments) if queue is not None else ():
            if segment is not self._current and not segment.writing:
                segment.finished = True

    def save(self, position: Position) -> None:
        """Remember how far the journal was delivered."""
        if self._lane is not None:
            # Without it records are sent again after a crash, which is harmless.
            with suppress(OSError):
                self._lane.save(position)

    def seal(self, seconds: float) -> None:
        """Take no more frames; wait for those that are being written, at most this long."""
        self._sealed = True
        locked = self._roller != self._ident() and self._rolling.acquire(timeout=seconds)
        last, self._current = self._current, None
        if last is not None:
            self._last = last
        if locked:
            self._rolling.release()
        self.sealed(seconds)

    def sealed(self, seconds: float) -> bool:
        """Whether the journal was sealed and all writers left, waiting at most this long."""
        last = self._last
        if last is None or not self._rolling.acquire(timeout=seconds):
            return False
        self._rolling.release()
        deadline = time.monotonic() + seconds
        while last.writing - {SYNCING}:
            if time.monotonic() > deadline:
                return False
            pause(0.001)
        last.finished = True
        return True

    def leave(self, *, empty: bool) -> None:
        """Close the lane; its folder goes when everything was delivered."""
        if self._lane is None:
            return
        if empty:
            self._lane.remove()
        else:
            self._lane.reserve(0)
            self._lane.close()
        self._lane = None

    def abandon(self) -> None:
        """In a child of a fork: close the parent's files, whose lock would outlive the parent."""
        if self._lane is not None:
            self._lane.forget()
        if self._queue is not None:
            self._queue.close()

    def _roll(self, full: Segment, size: int, failed: OSError | None) -> None:
        me = self._ident()
        if self._roller == me:
            # A signal or log handler that interrupted this very function.
            if failed is not None:
                raise SpoolFullError(f"the spool cannot be written ({failed.strerror})")
            # It writes on where it was.
            full.capacity = full.size + size
            return
        if not self._rolling.acquire(timeout=_WAIT_FOR_ROLL_S):
            if self._roller is not None:
                raise SpoolFullError("the spool's disk does not answer")
            # An exception of a signal handler ended whoever took the lock before it said so.
            with suppress(RuntimeError):
                self._rolling.release()
            return
        try:
            self._roller = me
            if self._current is full and self._queue is not None and not self._sealed:
                following = self._next_segment(size, failed)
                self._queue.segments.append(following)
                self._current = following
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
        # Small at first: what a process reserves, others cannot have.
        capacity = max(min(self._segment_bytes, _FIRST_SEGMENT << min(self._number, 10)), size)
        with _FolderLock(spool):
            self._lane.reserve(0)
            used = used_bytes(spool)
            if used + capacity > self._max_bytes:
                raise SpoolFullError(
                    f"the spool {spool} has reached its bound: {used} of {self._max_bytes} bytes"
                    " wait for Kafka"
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
                f"{used // 1000} kB of events wait in memory for Kafka already"
                " (ORGTRAIL_BUFFER_KILOBYTES)"
            )
        return MemorySegment(self._number, max(capacity, size))

    def check_memory(self, waiting: int) -> None:
        """Hold the bound in events of what is in memory; ``waiting`` of this process wait in all.

        Raises:
            BufferFullError: so many wait already.
        """
        segments = list(self._queue.segments) if self._queue is not None else []
        kept = sum(segment.frames for segment in segments if isinstance(segment, MemorySegment))
        if min(kept, waiting) >= self._memory_events:
            raise BufferFullError(
                f"{min(kept, waiting)} events wait in memory for Kafka already"
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
            "the spool %s cannot be written (%s): events wait in memory and do not survive this"
            " process; set ORGTRAIL_SPOOL_DIR to a folder that can be written, or"
            " ORGTRAIL_SPOOL=memory",
            self._spool,
            error.strerror or error,
        )


class _FolderLock:
    """Keeps the processes of a spool from taking the same room; waits 50 ms at most.

    A process that was stopped while it holds the lock must not stop the others: the bound may be
    passed by a segment then.
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
