"""Health: whether the worker can store events, and if not, why."""

from __future__ import annotations


class Health:
    """The state behind ``/readyz``. During an outage a worker is alive, but not ready."""

    def __init__(self) -> None:
        self._failing: dict[str, str] = {}

    def failed(self, step: str, reason: str) -> None:
        """Record that a step failed and is being retried. ``reason`` must hold no event data."""
        self._failing[step] = reason

    def succeeded(self, step: str) -> None:
        """Record that the step succeeded."""
        self._failing.pop(step, None)

    @property
    def reasons(self) -> list[str]:
        """Why the worker is not ready; empty if it is ready."""
        return [f"{step}: {reason}" for step, reason in sorted(self._failing.items())]
