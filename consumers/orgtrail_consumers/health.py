"""Health: whether the worker can store events, and if not, why."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

SLOW_AFTER_S = 10.0
"""A step that runs for longer counts as failing: a server that does not answer is an outage."""


class Health:
    """The state behind ``/readyz``. During an outage a worker is alive, but not ready."""

    def __init__(self, elapsed: Callable[[], float] = time.monotonic) -> None:
        """``elapsed`` counts seconds."""
        self._elapsed = elapsed
        self._failing: dict[str, str] = {}
        self._running: dict[object, tuple[str, float]] = {}

    @contextmanager
    def running(self, step: str) -> Iterator[None]:
        """A step is running: after ``SLOW_AFTER_S`` the worker is not ready."""
        key = object()
        self._running[key] = (step, self._elapsed())
        try:
            yield
        finally:
            del self._running[key]

    def failed(self, step: str, reason: str) -> None:
        """Record that a step failed and is being retried. ``reason`` must hold no event data."""
        self._failing[step] = reason

    def succeeded(self, step: str) -> None:
        """Record that the step succeeded."""
        self._failing.pop(step, None)

    @property
    def reasons(self) -> list[str]:
        """Why the worker is not ready; empty if it is ready."""
        reasons = dict(self._failing)
        now = self._elapsed()
        for step, since in list(self._running.values()):
            if now - since > SLOW_AFTER_S:
                reasons.setdefault(step, f"no answer for {now - since:.0f} s")
        return [f"{step}: {reason}" for step, reason in sorted(reasons.items())]
