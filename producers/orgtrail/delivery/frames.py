"""One record as it stands in a file: a mark, its length, its checksum, and the envelope.

The checksum finds what a crash tore and a disk changed; the mark finds the next whole record after
such a place.
"""

from __future__ import annotations

import struct
import zlib
from typing import NamedTuple

import msgspec

from orgtrail.envelope import Envelope
from orgtrail_schemas.rules import MAX_EVENT_BYTES

MARK = b"\xf5OT1"

_HEAD = struct.Struct("<4sII")
_LONGEST = MAX_EVENT_BYTES + 100_000

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Envelope).decode
_pack, _unpack = _HEAD.pack, _HEAD.unpack_from


class Frame(NamedTuple):
    """One record of the data that was parsed, and the position after it."""

    envelope: Envelope
    end: int


class Parsed(NamedTuple):
    """What data holds: whole frames, and the ranges between them that are none.

    ``end`` is the position up to which it was understood. ``torn`` tells that the rest is the torn
    end of a file that nobody writes any more.
    """

    frames: list[Frame]
    damaged: list[tuple[int, int]]
    end: int
    torn: bool


def frame(envelope: Envelope) -> bytes:
    """The bytes of a record."""
    payload = _encode(envelope)
    return _pack(MARK, len(payload), zlib.crc32(payload)) + payload


def parse(data: bytes, limit: int, *, last: bool) -> Parsed:
    """Up to ``limit`` frames from the beginning of ``data``.

    ``last`` says that nothing follows: what is incomplete then is torn or damaged, while otherwise
    the rest of it is still to come.
    """
    frames: list[Frame] = []
    damaged: list[tuple[int, int]] = []
    position = 0
    while position < len(data) and len(frames) < limit:
        found = _frame_at(data, position)
        if found is not None:
            frames.append(found)
            position = found.end
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
