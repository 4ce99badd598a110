"""The folder of dead letters that even the dead-letter topic refuses."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import msgspec


class KeptLetter(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One record as a file; bytes are in base64. ``set_aside_at`` is in ms since 1970, UTC."""

    set_aside_at: int
    reason: str
    detail: str
    source: str
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes | None]]


def keep(folder: Path, letter: KeptLetter) -> None:
    """Write it; on return it is on the disk. The same record again is the same file.

    Raises:
        OSError: the folder cannot be written.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    target = folder / f"{letter.source.replace('/', '_')}.json"
    begun = target.with_suffix(".begun")
    descriptor = os.open(begun, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as out:
        out.write(msgspec.json.encode(letter))
        out.flush()
        os.fsync(out.fileno())
    begun.replace(target)
    entries = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(entries)
    finally:
        os.close(entries)


def kept(folder: Path) -> Iterator[tuple[str, KeptLetter]]:
    """The name and content of each, in the order of their sources' names.

    Raises:
        OSError, ValueError: a file cannot be read, or is none of ours.
    """
    for path in sorted(folder.glob("*.json")):
        try:
            letter = msgspec.json.decode(path.read_bytes(), type=KeptLetter)
        except msgspec.MsgspecError as error:
            raise ValueError(f"{path} is no dead letter") from error
        yield path.stem, letter
