"""What the SDK tells about itself: counters, and log lines that cannot flood a log."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from itertools import count
from typing import NamedTuple

log = logging.getLogger("orgtrail")

_REPEAT_AFTER_S = 60.0


class Counters(NamedTuple):
    """How the events of this process fared since it began, in records.

    ``acknowledged`` counts those that ended processes left and this one delivered as well.
    ``waiting`` are those that are neither acknowledged, set aside nor lost, with those that dead
    processes left and this one delivers. ``oldest_waiting_seconds`` is how long the oldest of them
    has waited. ``damaged`` counts the places in files that hold no record any more.
    """

    accepted: int = 0
    acknowledged: int = 0
    waiting: int = 0
    set_aside: int = 0
    lost: int = 0
    damaged: int = 0
    oldest_waiting_seconds: float = 0.0


class Counter:
    """Counts from any number of threads and signal handlers without a lock.

    ``add`` is one call into C, which nothing interrupts; reading looks at the next number by the
    text of the counter, which takes none.
    """

    def __init__(self) -> None:
        self._numbers = count(1)
        self.add: Callable[[], int] = self._numbers.__next__
        """Count one more; the numbers that it returns are all different and never 0."""

    def value(self) -> int:
        """How often ``add`` was called."""
        return int(repr(self._numbers).removeprefix("count(").removesuffix(")")) - 1


def say(level: int, text: str, *values: object) -> None:
    """Log a line; a handler of the service's that fails must not fail the delivery."""
    with suppress(Exception):
        log.log(level, text, *values)


class Notices:
    """Log lines by their kind: the first at once, then at most one a minute of each."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """``clock`` is a monotonic clock in seconds."""
        self._clock = clock
        self._said: dict[str, float] = {}
        self._held_back: dict[str, int] = {}

    def say(self, level: int, kind: str, text: str, *values: object) -> None:
        """Log a line, unless one of its kind was logged within the last minute."""
        now = self._clock()
        if now - self._said.get(kind, -_REPEAT_AFTER_S) < _REPEAT_AFTER_S:
            self._held_back[kind] = self._held_back.get(kind, 0) + 1
            return
        self._said[kind] = now
        held_back = self._held_back.pop(kind, 0)
        if held_back:
            text += " (and %d more like this within a minute)"
            values += (held_back,)
        say(level, text, *values)

    def clear(self, kind: str) -> bool:
        """Whether a line of this kind was logged; the next one is logged at once."""
        self._held_back.pop(kind, None)
        return self._said.pop(kind, None) is not None
