"""Undeliverable data, set aside on disk: records that Kafka rejected, and damaged bytes.

Each is a file in the spool's folder ``aside/``, so that it does not block later records.
``orgtrail spool`` lists, resends and deletes these files.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path

import msgspec

from orgtrail.delivery.lane import own
from orgtrail.envelope import Envelope


class Refused(msgspec.Struct, array_like=True):
    """A record that Kafka rejected. ``at`` is in milliseconds since 1970 (UTC)."""

    at: int
    reason: str
    envelope: Envelope


_decode = msgspec.msgpack.Decoder(Refused).decode


def aside_folder(spool: Path) -> Path:
    """Return the folder for undeliverable data."""
    return spool / "aside"


def set_refused_aside(spool: Path, refused: Refused, bound: int) -> Path:
    """Write a rejected record to the folder and sync it to disk.

    Raises:
        OSError: it cannot be written, or the folder would exceed ``bound`` bytes.
    """
    name = f"{refused.at:013d}-{refused.envelope.event_id}-{os.urandom(3).hex()}.refused"
    return _write(spool, name, msgspec.msgpack.encode(refused), bound)


def set_damage_aside(spool: Path, place: str, data: bytes, bound: int) -> Path:
    """Write damaged bytes to the folder for inspection, one file per damaged range.

    Raises:
        OSError: they cannot be written, or the folder would exceed ``bound`` bytes.
    """
    return _write(spool, f"{place}.damaged", data, bound)


def read_refused(path: Path) -> Refused:
    """Read a record that was set aside.

    Raises:
        OSError: the file cannot be read.
        ValueError: the file does not contain a record.
    """
    return _decode(path.read_bytes())


def _write(spool: Path, name: str, data: bytes, bound: int) -> Path:
    folder = own(aside_folder(spool))
    path = folder / name
    used = sum(file.lstat().st_size for file in folder.iterdir())
    if used + len(data) > bound:
        raise OSError(errno.ENOSPC, f"{used} bytes are already set aside")
    draft = path.with_name(f".{name}")
    fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    with open(fd, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(fd)
    draft.rename(path)
    return path
