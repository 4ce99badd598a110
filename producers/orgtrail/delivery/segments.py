"""An append-only segment of the journal: a file, or memory when the disk is not usable.

Writers do not lock a segment. Therefore a signal handler can emit while it interrupts ``emit``,
and a fork cannot leave a lock behind. Instead, a writer first adds its ticket to ``writing`` and
then checks that the segment is still the current one (``journal``). A segment is finished when it
is not current and ``writing`` is empty: a writer that comes later finds that it is not current.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path

SYNCING = -1
"""The ticket of the sync thread. While it is in ``writing``, the file must not be closed."""


class FileSegment:
    """A file of frames. ``capacity`` is the size that it may grow to, in bytes."""

    on_disk = True

    def __init__(self, path: Path, capacity: int, *, writable: bool) -> None:
        """Create the file, or open one that a dead process left (``writable=False``).

        Raises:
            OSError: the file cannot be created or opened.
        """
        self.path = path
        self.number = int(path.stem)
        self.capacity = capacity
        self.writing: set[int] = set()
        self.finished = not writable
        self.synced = 0
        self._write_fd = self._read_fd = -1
        if writable:
            # O_APPEND: the kernel writes at the current end, so concurrent writers do not overlap.
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL
            self._write_fd = os.open(path, flags, 0o600)
            # Open it for reading now, because somebody may remove the folder later. Files of dead
            # processes are opened on the first read.
            self._read_fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
        self.size = 0 if writable else path.stat().st_size

    def append(self, frame: bytes) -> None:
        """Append one frame. It survives the process, but a power cut only after ``sync``.

        Raises:
            OSError: the disk is full or fails; the frame was not appended.
        """
        written = os.write(self._write_fd, frame)
        if written != len(frame):
            # The partly written frame must be the last one in this file, so allow no more writes.
            self.capacity = 0
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self.size += written

    def read(self, offset: int, size: int) -> bytes:
        """Read at most ``size`` bytes at ``offset``."""
        if self._read_fd < 0:
            self._read_fd = os.open(self.path, os.O_RDONLY | os.O_NOFOLLOW)
        return os.pread(self._read_fd, size, offset)

    def measure(self) -> int:
        """Return the file's actual size. ``size`` is approximate when several threads write."""
        if self._write_fd >= 0:
            self.size = os.fstat(self._write_fd).st_size
        return self.size

    def sync(self) -> None:
        """Sync the appended frames to disk, so that they survive a power cut.

        Raises:
            OSError: the disk fails.
        """
        size = self.measure()
        if self._write_fd >= 0 and size > self.synced:
            # fsync(2): syncing a file does not sync its directory entry, so sync the folders once.
            if self.synced == 0:
                for folder in (self.path.parent, self.path.parent.parent):
                    _sync_folder(folder)
            os.fdatasync(self._write_fd)
            self.synced = size

    def unlinked(self) -> bool:
        """Whether the file was removed. Its data then exists only until this process ends."""
        return self._write_fd >= 0 and os.fstat(self._write_fd).st_nlink == 0

    def close(self) -> None:
        """Close the file without deleting it."""
        for fd in (self._write_fd, self._read_fd):
            if fd >= 0:
                os.close(fd)
        self._write_fd = self._read_fd = -1

    def remove(self) -> None:
        """Close and delete the file, after all of it was acknowledged or set aside."""
        self.close()
        self.path.unlink(missing_ok=True)


class MemorySegment:
    """A segment in memory. ``capacity`` is its maximum size in bytes."""

    on_disk = False

    def __init__(self, number: int, capacity: int) -> None:
        self.number = number
        self.capacity = capacity
        self.writing: set[int] = set()
        self.finished = False
        self.synced = 0
        self.frames = 0
        # One growing buffer instead of one object per event, to spare the garbage collector.
        self._data = bytearray()

    @property
    def size(self) -> int:
        """The number of bytes in the segment."""
        return len(self._data)

    def append(self, frame: bytes) -> None:
        """Append one frame."""
        self._data += frame
        self.frames += 1

    def read(self, offset: int, size: int) -> bytes:
        """Read at most ``size`` bytes at ``offset``."""
        return bytes(self._data[offset : offset + size])

    def measure(self) -> int:
        """Return the number of bytes in the segment."""
        return len(self._data)

    def sync(self) -> None:
        """Do nothing: memory cannot be synced."""

    def unlinked(self) -> bool:
        """Return ``False``: memory cannot be removed from outside."""
        return False

    def close(self) -> None:
        """Do nothing: there is no file to close."""

    def remove(self) -> None:
        """Free the memory."""
        self._data = bytearray()


Segment = FileSegment | MemorySegment


def _sync_folder(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
