"""Stops the worker when too large a share of the topic cannot be stored."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence

from orgtrail_consumers.errors import StopError
from orgtrail_consumers.kafka.batch import Rejected


class Breaker:
    """The share of bad records among the most recent ones. Unknown schemas do not count as bad."""

    def __init__(self, percent: float, records: int) -> None:
        """Trip when more than ``percent`` of at least the last ``records`` records are bad."""
        self._percent = percent
        self._window = records
        self._batches: deque[tuple[int, Counter[str]]] = deque()

    def check(self, total: int, rejected: Sequence[Rejected]) -> None:
        """Count a batch of ``total`` records.

        Raises:
            StopError: the share is over the limit. No record of the batch is dead-lettered.
        """
        bad = Counter[str](item.reason for item in rejected if item.reason != "unknown_schema")
        self._batches.append((total, bad))
        while sum(count for count, _ in self._batches) - self._batches[0][0] >= self._window:
            self._batches.popleft()
        seen = sum(count for count, _ in self._batches)
        reasons = sum((counts for _, counts in self._batches), Counter[str]())
        if seen >= self._window and reasons.total() * 100 > self._percent * seen:
            summary = ", ".join(f"{count} {reason}" for reason, count in reasons.most_common())
            raise StopError(
                f"{reasons.total()} of the last {seen} records cannot be stored ({summary}): stop"
                " their producer, or set ORGTRAIL_BREAKER_PERCENT=100 to dead-letter them"
            )
