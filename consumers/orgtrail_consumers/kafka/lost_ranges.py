"""Lost ranges: offsets that the topic deleted before they were read."""

from __future__ import annotations

from typing import NamedTuple


class LostRange(NamedTuple):
    """``offsets`` is how many are known to be lost. ``text`` names them for the operator."""

    offsets: int
    text: str


def lost_range(expected: int, found: int, start: int) -> LostRange | None:
    """The range that was lost when ``found`` came instead of ``expected``; ``None`` if none was.

    ``start`` is the first offset that the topic still has. A gap alone is not a loss, because
    aborted records and transaction markers leave gaps too. It is a loss if the topic deleted the
    records: aiokafka then silently continues at the topic's start. A lower offset than expected
    means that the topic was recreated.
    """
    if found < expected:
        return LostRange(
            0, f"expected offset {expected} but received {found}: the topic was recreated"
        )
    # The start was asked for after the fetch and may have moved on: what was received is not lost.
    start = min(start, found)
    if start <= expected:
        return None
    return LostRange(
        start - expected, f"offsets {expected} to {start - 1} were deleted before they were read"
    )
