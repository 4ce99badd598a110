"""Health: whether the worker can store what it is given, and if not, why."""

from __future__ import annotations


class Health:
    """What ``/readyz`` answers. A worker that waits for an outage to pass is alive, not ready."""

    def __init__(self) -> None:
        self._failing: dict[str, str] = {}

    def failed(self, step: str, reason: str) -> None:
        """A step failed and is being retried; ``reason`` holds no data of events."""
        self._failing[step] = reason

    def succeeded(self, step: str) -> None:
        """The step went through."""
        self._failing.pop(step, None)

    @property
    def reasons(self) -> list[str]:
        """Why it is not ready; empty when it is."""
        return [f"{step}: {reason}" for step, reason in sorted(self._failing.items())]
