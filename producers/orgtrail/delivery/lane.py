"""A lane: one process's folder in the spool, with its segments and its delivery position.

The process holds a lock (``flock``) on the file ``lane`` in the folder while it is alive. If the
lock is free, the process is dead and another one may adopt its events. The file also stores the
position.

Two rules prevent races. A folder is created under a draft name and renamed when it is complete. A
lock is valid only if the locked file is still the one in the folder, because another process may
have removed the folder between open and lock.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
import struct
import zlib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple, Self

from orgtrail.delivery.segments import FileSegment

try:
    import fcntl
except ImportError:  # pragma: no cover - Windows
    fcntl = None  # type: ignore[assignment]

FORMAT = "v1"
"""Lanes of another format are ignored, so that the version that wrote them can deliver them."""

_locks: set[int] = set()
"""The descriptors of this process's locks. A forked child must close its copies immediately.

A ``flock`` is held as long as any copy of its descriptor is open, even after the parent exits.
"""

_POSITION = struct.Struct("<QQQ")
_CHECKSUM = struct.Struct("<I")


class Position(NamedTuple):
    """A position in a lane: the segment's number and the byte offset in the segment."""

    segment: int = 0
    offset: int = 0


class Lane:
    """A locked folder of segments."""

    def __init__(self, path: Path, fd: int) -> None:
        self.path = path
        self._fd = fd
        # The size that the current segment may grow to. It counts against the spool's limit, so
        # that other processes cannot use this space.
        self._reserved = 0
        self._position = _read_position(fd)[0]

    @classmethod
    def create(cls, spool: Path, topic: str, name: str) -> Self:
        """Create a lane of this process for events of a topic.

        Raises:
            OSError: the spool cannot be written, or its file system does not support locks.
        """
        lanes = own(spool / "lanes")
        draft = lanes / f".{name}"
        draft.mkdir(mode=0o700)
        fd = open_lock(draft / "lane", os.O_EXCL)
        try:
            _lock(fd)
            path = lanes / f"{_prefix(topic)}{name}"
            draft.rename(path)
        except BaseException:
            close_lock(fd)
            shutil.rmtree(draft, ignore_errors=True)
            raise
        return cls(path, fd)

    @classmethod
    def adopt(cls, path: Path) -> Self | None:
        """Lock the lane of a dead process; return ``None`` if another process holds it."""
        try:
            # This recreates a missing file: a process may have been killed while it removed the
            # lane.
            fd = open_lock(path / "lane", 0)
        except OSError:
            return None
        try:
            _lock(fd)
            # Another process may have delivered and removed the lane since the open.
            if os.stat(path / "lane").st_ino != os.fstat(fd).st_ino:
                raise OSError
        except BaseException as error:
            close_lock(fd)
            if isinstance(error, OSError):
                return None
            raise
        lane = cls(path, fd)
        # Free the space that the dead process reserved. On a full disk this fails, and the space
        # stays reserved.
        with suppress(OSError):
            lane.reserve(0)
        return lane

    @property
    def position(self) -> Position:
        """The position up to which all records were delivered or set aside."""
        return self._position

    def segments(self) -> list[FileSegment]:
        """Return the segments of a dead process that are not delivered yet, in order."""
        return [
            FileSegment(path, 0, writable=False)
            for path in segment_files(self.path)
            if int(path.stem) >= self._position.segment
        ]

    def new_segment(self, number: int, capacity: int) -> FileSegment:
        """Create a segment to append to.

        Raises:
            OSError: it cannot be created.
        """
        segment = FileSegment(self.path / f"{number:08d}.frames", capacity, writable=True)
        self.reserve(capacity)
        return segment

    def save(self, position: Position) -> None:
        """Store the position. It is not synced; after a power cut, records may be sent again."""
        self._position = position
        body = _POSITION.pack(position.segment, position.offset, self._reserved)
        os.pwrite(self._fd, body + _CHECKSUM.pack(zlib.crc32(body)), 0)

    def reserve(self, capacity: int) -> None:
        """Store the size that the last segment may grow to, in bytes."""
        self._reserved = capacity
        self.save(self._position)

    def remove(self) -> None:
        """Delete the folder and release the lock, after everything was delivered."""
        shutil.rmtree(self.path, ignore_errors=True)
        self.close()

    def close(self) -> None:
        """Release the lock, so that other processes can deliver the remaining records."""
        if self._fd >= 0:
            close_lock(self._fd)
            self._fd = -1

    def forget(self) -> None:
        """Forget the descriptor in a forked child, which has already closed it."""
        self._fd = -1


def private(folder: Path) -> Path:
    """Create the folder if it is missing, readable only by this user: events hold personal data.

    Raises:
        OSError: it cannot be created.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def own(folder: Path) -> Path:
    """Create a folder in the spool, or check that only this user may write to an existing one.

    Otherwise another user could make this process send, lose or overwrite arbitrary data.

    Raises:
        OSError: it cannot be created, belongs to another user, or is writable by others.
    """
    status = private(folder).lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid() or status.st_mode & 0o022:
        raise OSError(errno.EPERM, f"{folder} belongs to another user, or others may write to it")
    return folder


def lane_folders(spool: Path, topic: str | None = None) -> list[Path]:
    """Return the lanes of a spool, or only those of a topic, oldest first."""
    prefix = f"{FORMAT}." if topic is None else _prefix(topic)
    return sorted((spool / "lanes").glob(f"{prefix}*"))


def segment_files(lane: Path) -> list[Path]:
    """Return the segment files of a lane, oldest first."""
    named = (path for path in lane.glob("*.frames") if path.stem.isascii() and path.stem.isdigit())
    return sorted(path for path in named if not path.is_symlink() and path.is_file())


def close_inherited_locks() -> None:
    """In a forked child, close the inherited locks. Otherwise they would outlive the parent."""
    for fd in list(_locks):
        with suppress(OSError):
            close_lock(fd)


def open_lock(path: Path, flags: int) -> int:
    """Open a lock file. Child processes do not keep the descriptor (``close_inherited_locks``).

    Raises:
        OSError: the file cannot be opened.
    """
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | flags, 0o600)
    _locks.add(fd)
    return fd


def close_lock(fd: int) -> None:
    """Close the descriptor, which releases the lock."""
    _locks.discard(fd)
    os.close(fd)


def saved_position(lane: Path) -> Position:
    """Read the position of a lane without locking it; the beginning if it cannot be read."""
    try:
        fd = os.open(lane / "lane", os.O_RDONLY)
    except OSError:
        return Position()
    try:
        return _read_position(fd)[0]
    finally:
        os.close(fd)


def used_bytes(spool: Path) -> int:
    """Return how many bytes of the limit all lanes use: their files and their reserved space."""
    return sum(_lane_bytes(lane) for lane in lane_folders(spool))


def _lane_bytes(lane: Path) -> int:
    sizes = list(_sizes(segment_files(lane)))
    if not sizes:
        return 0
    try:
        fd = os.open(lane / "lane", os.O_RDONLY)
    except OSError:
        return sum(sizes)
    try:
        reserved = _read_position(fd)[1]
    finally:
        os.close(fd)
    return sum(sizes[:-1]) + max(sizes[-1], reserved)


def _sizes(paths: list[Path]) -> Iterator[int]:
    for path in paths:
        try:
            yield path.stat().st_size
        except FileNotFoundError:
            continue  # Its process has just delivered and deleted it.


def _read_position(fd: int) -> tuple[Position, int]:
    data = os.pread(fd, _POSITION.size + _CHECKSUM.size, 0)
    body, checksum = data[: _POSITION.size], data[_POSITION.size :]
    if len(checksum) < _CHECKSUM.size or _CHECKSUM.unpack(checksum)[0] != zlib.crc32(body):
        # A new file, or a damaged one. Then the whole lane is sent again, which is harmless.
        return Position(), 0
    segment, offset, reserved = _POSITION.unpack(body)
    return Position(segment, offset), reserved


def try_lock(fd: int) -> bool:
    """Try to lock the file without waiting; return whether it succeeded."""
    try:
        _lock(fd)
    except OSError:
        return False
    return True


def _prefix(topic: str) -> str:
    # The name contains the topic, because processes of several topics may share a spool.
    return f"{FORMAT}.{zlib.crc32(topic.encode()):08x}-"


def _lock(fd: int) -> None:
    if fcntl is None:  # pragma: no cover - Windows
        raise OSError("this platform has no flock")
    fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
