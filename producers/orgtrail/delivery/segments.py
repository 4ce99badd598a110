"""A piece of the journal: a file, or memory where there is no disk. Frames are only appended.

Nobody locks a segment to append to it, so that a signal handler can emit while it interrupts
``emit``, and a fork leaves no lock behind. Instead a writer puts its ticket into ``writing`` first
and checks afterwards that the segment is still the current one (``journal``); a segment is
finished when it is not current and ``writing`` is empty.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path

SYNCING = -1
"""The ticket of whoever syncs the file, which must not be closed under it."""


class FileSegment:
    """A file of frames. ``capacity`` is how large it may become, in bytes."""

    on_disk = True

    def __init__(self, path: Path, capacity: int, *, writable: bool) -> None:
        """Make the file, or open one that a dead process left.

        Raises:
            OSError: the file cannot be made or opened.
        """
        self.path = path
        self.number = int(path.stem)
        self.capacity = capacity
        self.writing: set[int] = set()
        self.finished = not writable
        self.synced = 0
        self._write_fd = self._read_fd = -1
        if writable:
            # O_APPEND: the kernel finds the end for each write, whoever else writes.
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL
            self._write_fd = os.open(path, flags, 0o600)
            # Now, since somebody may remove the folder; others are opened when they are read.
            self._read_fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
        self.size = 0 if writable else path.stat().st_size

    def append(self, frame: bytes) -> None:
        """Append one frame; it survives the process, not yet a power cut.

        Raises:
            OSError: the disk is full or fails; nothing of the frame counts.
        """
        written = os.write(self._write_fd, frame)
        if written != len(frame):
            # What was written is a torn frame; nothing may follow it in this file.
            self.capacity = 0
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self.size += written

    def read(self, offset: int, size: int) -> bytes:
        """At most ``size`` bytes from ``offset`` on."""
        if self._read_fd < 0:
            self._read_fd = os.open(self.path, os.O_RDONLY | os.O_NOFOLLOW)
        return os.pread(self._read_fd, size, offset)

    def measure(self) -> int:
        """The size of the file now, which several writers' own counting only approximates."""
        if self._write_fd >= 0:
            self.size = os.fstat(self._write_fd).st_size
        return self.size

    def sync(self) -> None:
        """Make what was appended survive a power cut.

        Raises:
            OSError: the disk fails.
        """
        size = self.measure()
        if self._write_fd >= 0 and size > self.synced:
            # fsync(2): the entry in the folder needs a sync of its own, once.
            if self.synced == 0:
                for folder in (self.path.parent, self.path.parent.parent):
                    _sync_folder(folder)
            os.fdatasync(self._write_fd)
            self.synced = size

    def unlinked(self) -> bool:
        """Whether somebody removed the file: what is in it ends with this process."""
        return self._write_fd >= 0 and os.fstat(self._write_fd).st_nlink == 0

    def close(self) -> None:
        """Close the file; what it holds stays."""
        for fd in (self._write_fd, self._read_fd):
            if fd >= 0:
                os.close(fd)
        self._write_fd = self._read_fd = -1

    def remove(self) -> None:
        """Close the file and delete it: all of it was acknowledged or set aside."""
        self.close()
        self.path.unlink(missing_ok=True)


class MemorySegment:
    """The same in memory. ``capacity`` bounds its bytes."""

    on_disk = False

    def __init__(self, number: int, capacity: int) -> None:
        self.number = number
        self.capacity = capacity
        self.writing: set[int] = set()
        self.finished = False
        self.synced = 0
        self.frames = 0
        # One growing buffer, so that a waiting event is no object for the garbage collector.
        self._data = bytearray()

    @property
    def size(self) -> int:
        """How many bytes it holds."""
        return len(self._data)

    def append(self, frame: bytes) -> None:
        """Append one frame."""
        self._data += frame
        self.frames += 1

    def read(self, offset: int, size: int) -> bytes:
        """At most ``size`` bytes from ``offset`` on."""
        return bytes(self._data[offset : offset + size])

    def measure(self) -> int:
        """How many bytes it holds."""
        return len(self._data)

    def sync(self) -> None:
        """Memory survives nothing."""

    def unlinked(self) -> bool:
        """Nobody can remove it."""
        return False

    def close(self) -> None:
        """Nothing to close."""

    def remove(self) -> None:
        """Let the memory go."""
        self._data = bytearray()


Segment = FileSegment | MemorySegment


def _sync_folder(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
