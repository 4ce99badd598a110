"""The local folder for dead letters that the dead-letter topic rejects."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import msgspec

from orgtrail_schemas.reading import read_json


class KeptLetter(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One dead letter as a JSON file.

    Bytes are base64-encoded. ``set_aside_at`` is in milliseconds since 1970, UTC.
    """

    set_aside_at: int
    reason: str
    detail: str
    source: str
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes | None]]


def keep(folder: Path, letter: KeptLetter) -> None:
    """Write the letter; on return it is on disk. The same record always has the same file name.

    Raises:
        OSError: the folder cannot be written.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    target = folder / f"{letter.source.replace('/', '_')}.json"
    unfinished = target.with_suffix(".begun")
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as out:
        out.write(msgspec.json.encode(letter))
        out.flush()
        os.fsync(out.fileno())
    unfinished.replace(target)
    # The rename survives a power cut only after the folder itself is synced.
    entries = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(entries)
    finally:
        os.close(entries)


def kept(folder: Path) -> Iterator[tuple[str, KeptLetter]]:
    """The name and content of each file, sorted by name.

    Raises:
        OSError, ValueError: a file cannot be read, or is not a dead letter.
    """
    for path in sorted(folder.glob("*.json")):
        try:
            letter = read_json(path.read_bytes(), KeptLetter)
        except msgspec.MsgspecError as error:
            raise ValueError(f"{path} is not a dead letter") from error
        yield path.stem, letter
