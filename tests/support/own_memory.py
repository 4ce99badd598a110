"""This process's own memory, for the programs that change the embedded ClickHouse from within.

For tests only: they are tied to the layout of the pinned wheel and to Linux.
"""

from __future__ import annotations

import os
import re
import struct
import traceback
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

_BLOCK = 1 << 24

DONE = "done"

Range = tuple[int, int]


def report(state: Path, change: Callable[[], None]) -> None:
    """Make the change, and write into the file whether it is made."""
    try:
        change()
        word = DONE
    except BaseException:
        word = traceback.format_exc()
    state.with_suffix(".new").write_text(word)
    state.with_suffix(".new").rename(state)


class Memory:
    """It, by address."""

    def __init__(self) -> None:
        self._file = os.open("/proc/self/mem", os.O_RDONLY)
        self._maps = [
            (int(m[1], 16), int(m[2], 16), m[3], m[4])
            for line in Path("/proc/self/maps").read_text().splitlines()
            if (m := re.match(r"([0-9a-f]+)-([0-9a-f]+) (\S+) \S+ \S+ \d+\s*(.*)", line))
        ]

    def constants(self) -> list[Range]:
        """Of the extension module."""
        return [
            (begin, end)
            for begin, end, flags, name in self._maps
            if name.endswith("_chdb.abi3.so") and flags.startswith("r") and "x" not in flags
        ]

    def heap(self) -> list[Range]:
        return [
            (begin, end)
            for begin, end, flags, name in self._maps
            if flags.startswith("rw") and (name in ("", "[heap]") or "jemalloc" in name)
        ]

    def word(self, address: int) -> int:
        (value,) = struct.unpack("<Q", os.pread(self._file, 8, address))
        return int(value)

    def bytes(self, address: int, count: int) -> bytes:
        return os.pread(self._file, count, address)

    def find(self, ranges: Sequence[Range], needles: Sequence[bytes], align: int) -> list[int]:
        """The aligned addresses of any of the needles."""
        found: list[int] = []
        for address, data in self._blocks(ranges):
            for needle in needles:
                at = data.find(needle)
                while at >= 0:
                    if (address + at) % align == 0:
                        found.append(address + at)
                    at = data.find(needle, at + 1)
        return found

    def _blocks(self, ranges: Sequence[Range]) -> Iterator[tuple[int, bytes]]:
        for begin, end in ranges:
            for address in range(begin, end, _BLOCK):
                try:
                    data = os.pread(self._file, min(_BLOCK, end - address), address)
                except OSError:
                    continue
                yield address, data

    def objects(self, type_name: bytes) -> list[int]:
        """Where objects of a C++ type may be: its name, its type information, its vtable, it."""
        constants = self.constants()
        names = self.find(constants, [type_name + b"\0"], 1)
        informations = self.find(constants, [pointer(a) for a in names], 8)
        users = self.find(constants, [pointer(a - 8) for a in informations], 8)
        # A vtable begins with the offset 0 and its type information; objects point behind both.
        vtables = [a + 8 for a in users if self.word(a - 8) == 0]
        return self.find(self.heap(), [pointer(a) for a in vtables], 8)


def pointer(address: int) -> bytes:
    return struct.pack("<Q", address)
