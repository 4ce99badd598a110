"""A process's folder within the spool: its segments in order, and how far they were delivered.

The file ``lane`` in it is locked as long as the process lives (``flock``), so that others know
whose events need somebody to deliver them; it also holds the position. A folder is complete before
it gets its name, and a lock counts only while the locked file still is the folder's.
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
"""Lanes of another format are left to the version that knows it."""

_locks: set[int] = set()
"""The descriptors of this process's locks, which a child of a fork must close at once.

A lock is held as long as any copy of its descriptor is open.
"""

_POSITION = struct.Struct("<QQQ")
_CHECKSUM = struct.Struct("<I")


class Position(NamedTuple):
    """A place in the frames of a lane: the segment's number and the offset in its bytes."""

    segment: int = 0
    offset: int = 0


class Lane:
    """A locked folder of segments."""

    def __init__(self, path: Path, fd: int) -> None:
        self.path = path
        self._fd = fd
        # How large the segment may become that is being written: room that others must not take.
        self._reserved = 0
        self._position = _read_position(fd)[0]

    @classmethod
    def create(cls, spool: Path, topic: str, name: str) -> Self:
        """A new lane of this process, for events of a topic.

        Raises:
            OSError: the spool cannot be written, or its file system knows no locks.
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
        """The lane of a process that has died; ``None`` while somebody serves it."""
        try:
            # Made anew when it is missing: whoever removed the lane was killed in between.
            fd = open_lock(path / "lane", 0)
        except OSError:
            return None
        try:
            _lock(fd)
            # Another may have delivered and removed it in between.
            if os.stat(path / "lane").st_ino != os.fstat(fd).st_ino:
                raise OSError
        except BaseException as error:
            close_lock(fd)
            if isinstance(error, OSError):
                return None
            raise
        lane = cls(path, fd)
        # On a full disk the room that the dead process reserved counts on.
        with suppress(OSError):
            lane.reserve(0)
        return lane

    @property
    def position(self) -> Position:
        """Up to where everything was delivered or set aside."""
        return self._position

    def segments(self) -> list[FileSegment]:
        """What a dead process left from the position on, in order."""
        return [
            FileSegment(path, 0, writable=False)
            for path in segment_files(self.path)
            if int(path.stem) >= self._position.segment
        ]

    def new_segment(self, number: int, capacity: int) -> FileSegment:
        """A new segment to append to.

        Raises:
            OSError: it cannot be made.
        """
        segment = FileSegment(self.path / f"{number:08d}.frames", capacity, writable=True)
        self.reserve(capacity)
        return segment

    def save(self, position: Position) -> None:
        """Remember the position. It may be lost in a power cut: then records are sent again."""
        self._position = position
        body = _POSITION.pack(position.segment, position.offset, self._reserved)
        os.pwrite(self._fd, body + _CHECKSUM.pack(zlib.crc32(body)), 0)

    def reserve(self, capacity: int) -> None:
        """Say how large the last segment may become."""
        self._reserved = capacity
        self.save(self._position)

    def remove(self) -> None:
        """Delete the folder: everything in it was delivered."""
        shutil.rmtree(self.path, ignore_errors=True)
        self.close()

    def close(self) -> None:
        """Let the lock go; what is left is for others to deliver."""
        if self._fd >= 0:
            close_lock(self._fd)
            self._fd = -1

    def forget(self) -> None:
        """In a child of a fork, which has closed the lock already."""
        self._fd = -1


def private(folder: Path) -> Path:
    """The folder, made for this user alone when it is missing; events hold personal data.

    Raises:
        OSError: it cannot be made.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def own(folder: Path) -> Path:
    """A folder within the spool, which nobody else may write to.

    Who could would make this process send, lose or overwrite what they like.

    Raises:
        OSError: it cannot be made, or is somebody else's.
    """
    found = private(folder).lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o022:
        raise OSError(errno.EPERM, f"{folder} belongs to another user, or others may write to it")
    return folder


def lane_folders(spool: Path, topic: str | None = None) -> list[Path]:
    """The lanes of a spool, or those of a topic alone, the oldest first."""
    prefix = f"{FORMAT}." if topic is None else _prefix(topic)
    return sorted((spool / "lanes").glob(f"{prefix}*"))


def segment_files(lane: Path) -> list[Path]:
    """The segments of a lane, the oldest first."""
    named = (path for path in lane.glob("*.frames") if path.stem.isascii() and path.stem.isdigit())
    return sorted(path for path in named if not path.is_symlink() and path.is_file())


def close_inherited_locks() -> None:
    """In a child of a fork: let go of the parent's locks, which would outlive the parent."""
    for fd in list(_locks):
        with suppress(OSError):
            close_lock(fd)


def open_lock(path: Path, flags: int) -> int:
    """A descriptor to lock; it is never inherited.

    Raises:
        OSError: the file cannot be opened.
    """
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | flags, 0o600)
    _locks.add(fd)
    return fd


def close_lock(fd: int) -> None:
    """Close it, which lets the lock go."""
    _locks.discard(fd)
    os.close(fd)


def saved_position(lane: Path) -> Position:
    """How far a lane was delivered, whoever serves it; the beginning when it cannot be read."""
    try:
        fd = os.open(lane / "lane", os.O_RDONLY)
    except OSError:
        return Position()
    try:
        return _read_position(fd)[0]
    finally:
        os.close(fd)


def used_bytes(spool: Path) -> int:
    """How much of the bound all lanes use: their files, and the room that writers reserved."""
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
            continue  # It was delivered in this moment.


def _read_position(fd: int) -> tuple[Position, int]:
    data = os.pread(fd, _POSITION.size + _CHECKSUM.size, 0)
    body, checksum = data[: _POSITION.size], data[_POSITION.size :]
    if len(checksum) < _CHECKSUM.size or _CHECKSUM.unpack(checksum)[0] != zlib.crc32(body):
        return Position(), 0  # New, or damaged: all of it is sent again, which is harmless.
    segment, offset, reserved = _POSITION.unpack(body)
    return Position(segment, offset), reserved


def try_lock(fd: int) -> bool:
    """Lock the file unless somebody else holds it; whether it is locked now."""
    try:
        _lock(fd)
    except OSError:
        return False
    return True


def _prefix(topic: str) -> str:
    # By topic, since processes of several topics may share a folder.
    return f"{FORMAT}.{zlib.crc32(topic.encode()):08x}-"


def _lock(fd: int) -> None:
    if fcntl is None:  # pragma: no cover - Windows
        raise OSError("this platform has no flock")
    fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
