"""The format of one record in a file: a marker, the length, a checksum, and the envelope.

The checksum detects records that a crash truncated or the disk corrupted. The marker makes it
possible to find the next intact record after a damaged range.
"""

from __future__ import annotations

import struct
import zlib
from typing import NamedTuple

import msgspec

from orgtrail.envelope import Envelope
from orgtrail_schemas.limits import MAX_EVENT_BYTES

MARK = b"\xf5OT1"

_HEAD = struct.Struct("<4sII")
_LONGEST = MAX_EVENT_BYTES + 100_000

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Envelope).decode
_pack, _unpack = _HEAD.pack, _HEAD.unpack_from


class Frame(NamedTuple):
    """One parsed record, and the position after it."""

    envelope: Envelope
    end: int


class Parsed(NamedTuple):
    """The result of ``parse``: intact frames, and the damaged ranges between them.

    ``end`` is the position up to which the data was parsed. ``torn`` means that the rest is a
    partly written record at the end of a file that is no longer written.
    """

    frames: list[Frame]
    damaged: list[tuple[int, int]]
    end: int
    torn: bool


def frame(envelope: Envelope) -> bytes:
    """Encode a record."""
    payload = _encode(envelope)
    return _pack(MARK, len(payload), zlib.crc32(payload)) + payload


def parse(data: bytes, limit: int, *, last: bool) -> Parsed:
    """Parse up to ``limit`` frames from the beginning of ``data``.

    ``last`` means that no more data follows. An incomplete frame at the end is then torn or
    damaged; otherwise the rest of it may still follow.
    """
    frames: list[Frame] = []
    damaged: list[tuple[int, int]] = []
    position = 0
    while position < len(data) and len(frames) < limit:
        intact = _frame_at(data, position)
        if intact is not None:
            frames.append(intact)
            position = intact.end
            continue
        if not last and _may_be_incomplete(data, position):
            break
        following = _next_frame(data, position + 1)
        if following is None:
            return Parsed(frames, damaged, position, last)
        damaged.append((position, following))
        position = following
    return Parsed(frames, damaged, position, False)


def _frame_at(data: bytes, position: int) -> Frame | None:
    if len(data) - position < _HEAD.size:
        return None
    mark, length, checksum = _unpack(data, position)
    begin = position + _HEAD.size
    end = begin + length
    if mark != MARK or end > len(data):
        return None
    payload = data[begin:end]
    if zlib.crc32(payload) != checksum:
        return None
    try:
        return Frame(_decode(payload), end)
    except msgspec.DecodeError:
        return None


def _may_be_incomplete(data: bytes, position: int) -> bool:
    if len(data) - position < _HEAD.size:
        return True
    mark, length, _checksum = _unpack(data, position)
    reaches = position + _HEAD.size + int(length)
    return bool(mark == MARK) and length <= _LONGEST and reaches > len(data)


def _next_frame(data: bytes, position: int) -> int | None:
    while (position := data.find(MARK, position)) != -1:
        if _frame_at(data, position) is not None:
            return position
        position += 1
    return None
