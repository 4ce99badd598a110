"""The SDK's counters and its rate-limited log lines."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from itertools import count
from typing import NamedTuple

log = logging.getLogger("orgtrail")

_REPEAT_AFTER_S = 60.0


class Counters(NamedTuple):
    """Counts of records since this process's producer started.

    ``acknowledged`` and ``waiting`` include records adopted from dead processes. ``waiting``
    records are neither acknowledged, set aside nor lost. ``oldest_waiting_seconds`` is the age of
    the oldest of them. ``damaged`` counts damaged ranges in spool files.
    """

    accepted: int = 0
    acknowledged: int = 0
    waiting: int = 0
    set_aside: int = 0
    lost: int = 0
    damaged: int = 0
    oldest_waiting_seconds: float = 0.0


class Counter:
    """A lock-free counter for any number of threads and signal handlers.

    ``add`` is a single call into C, so it cannot be interrupted. ``value`` parses the ``repr`` of
    the iterator, which is the only way to read the next number without consuming it.
    """

    def __init__(self) -> None:
        self._numbers = count(1)
        self.add: Callable[[], int] = self._numbers.__next__
        """Increment the counter and return the new number, which is unique and never 0."""

    def value(self) -> int:
        """Return how often ``add`` was called."""
        return int(repr(self._numbers).removeprefix("count(").removesuffix(")")) - 1


def say(level: int, text: str, *values: object) -> None:
    """Log a line. An exception in the service's log handler must not stop the delivery."""
    with suppress(Exception):
        log.log(level, text, *values)


class Notices:
    """Rate-limits log lines: at most one line per kind and minute."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """``clock`` is a monotonic clock in seconds."""
        self._clock = clock
        self._said: dict[str, float] = {}
        self._held_back: dict[str, int] = {}

    def say(self, level: int, kind: str, text: str, *values: object) -> None:
        """Log a line unless a line of this kind was logged within the last minute."""
        now = self._clock()
        if now - self._said.get(kind, -_REPEAT_AFTER_S) < _REPEAT_AFTER_S:
            self._held_back[kind] = self._held_back.get(kind, 0) + 1
            return
        self._said[kind] = now
        held_back = self._held_back.pop(kind, 0)
        if held_back:
            text += " (%d similar messages suppressed)"
            values += (held_back,)
        say(level, text, *values)

    def clear(self, kind: str) -> bool:
        """Reset the limit of a kind; return whether a line of this kind was logged before."""
        self._held_back.pop(kind, None)
        return self._said.pop(kind, None) is not None
