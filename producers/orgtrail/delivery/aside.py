"""What cannot be delivered: records that Kafka refuses for themselves, and damaged bytes.

Each is a file in ``aside/`` of the spool, and holds nobody up. ``orgtrail spool`` lists them, sends
them again or drops them.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path

import msgspec

from orgtrail.delivery.lane import own
from orgtrail.envelope import Envelope


class Refused(msgspec.Struct, array_like=True):
    """A record that Kafka refused. ``at`` is in milliseconds since 1970 (UTC)."""

    at: int
    reason: str
    envelope: Envelope


_decode = msgspec.msgpack.Decoder(Refused).decode


def aside_folder(spool: Path) -> Path:
    """Where they are."""
    return spool / "aside"


def set_refused_aside(spool: Path, refused: Refused, bound: int) -> Path:
    """Keep a refused record; on return it is on disk.

    Raises:
        OSError: it cannot be written, or ``bound`` bytes were set aside already.
    """
    name = f"{refused.at:013d}-{refused.envelope.event_id}-{os.urandom(3).hex()}.refused"
    return _write(spool, name, msgspec.msgpack.encode(refused), bound)


def set_damage_aside(spool: Path, place: str, data: bytes, bound: int) -> Path:
    """Keep bytes that are no record, for somebody to look at; one file for each place.

    Raises:
        OSError: they cannot be written, or ``bound`` bytes were set aside already.
    """
    return _write(spool, f"{place}.damaged", data, bound)


def read_refused(path: Path) -> Refused:
    """A record that was set aside.

    Raises:
        OSError: there is none.
        ValueError: the file does not hold one.
    """
    return _decode(path.read_bytes())


def _write(spool: Path, name: str, data: bytes, bound: int) -> Path:
    folder = own(aside_folder(spool))
    path = folder / name
    used = sum(file.lstat().st_size for file in folder.iterdir())
    if used + len(data) > bound:
        raise OSError(errno.ENOSPC, f"{used} bytes were set aside already")
    draft = path.with_name(f".{name}")
    fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    with open(fd, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(fd)
    draft.rename(path)
    return path
