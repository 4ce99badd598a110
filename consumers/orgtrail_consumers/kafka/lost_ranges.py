"""Lost ranges: offsets that the topic deleted before they were read."""

from __future__ import annotations

from typing import NamedTuple


class LostRange(NamedTuple):
    """``offsets`` is how many are known to be lost; ``text`` says which, for the operator."""

    offsets: int
    text: str


def lost_range(expected: int, found: int, start: int) -> LostRange | None:
    """What was lost when ``found`` came instead of ``expected``; ``start`` is the topic's first.

    A gap alone is no loss: aborted records and transaction markers leave gaps too. Retention does
    lose records, and aiokafka then goes on at the topic's start without a word.
    """
    if found < expected:
        return LostRange(
            0, f"expected offset {expected} but received {found}: the topic was created again"
        )
    if start <= expected:
        return None
    return LostRange(
        start - expected, f"offsets {expected} to {start - 1} were deleted before they were read"
    )
