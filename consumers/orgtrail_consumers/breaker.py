"""The breaker: a topic that is mostly garbage stops the worker."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence

from orgtrail_consumers.batch import Rejected
from orgtrail_consumers.failure import StopError


class Breaker:
    """Watches the share of bad records among the last ones; an unknown schema is not bad."""

    def __init__(self, percent: float, records: int) -> None:
        """Trip when more than ``percent`` of at least the last ``records`` records are bad."""
        self._percent = percent
        self._window = records
        self._batches: deque[tuple[int, Counter[str]]] = deque()

    def note(self, total: int, rejected: Sequence[Rejected]) -> None:
        """A batch of ``total`` records was looked at.

        Raises:
            StopError: the share is over the limit; nothing of the batch has been set aside.
        """
        bad = Counter[str](item.reason for item in rejected if item.reason != "unknown_schema")
        self._batches.append((total, bad))
        while sum(count for count, _ in self._batches) - self._batches[0][0] >= self._window:
            self._batches.popleft()
        seen = sum(count for count, _ in self._batches)
        reasons = sum((found for _, found in self._batches), Counter[str]())
        if seen >= self._window and reasons.total() * 100 > self._percent * seen:
            found = ", ".join(f"{count} {reason}" for reason, count in reasons.most_common())
            raise StopError(
                f"of the last {seen} records, {reasons.total()} cannot be stored ({found}): stop"
                " whoever sends them, or set ORGTRAIL_BREAKER_PERCENT=100 to set them aside"
            )
