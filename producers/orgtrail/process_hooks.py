"""What happens to the producers of a process when it forks and when it exits."""

from __future__ import annotations

import atexit
import os
import time
import weakref
from contextlib import suppress
from typing import Protocol

from orgtrail.delivery.lane import close_inherited_locks
from orgtrail.errors import AuditError


class Watched(Protocol):
    """A producer, as the hooks need it."""

    @property
    def close_seconds(self) -> float:
        """How long a close may take."""
        ...

    def after_fork(self) -> None:
        """In a forked child, drop the state that belongs to the parent's threads."""
        ...

    def close(self, seconds: float | None = None) -> None:
        """Deliver waiting events, then stop."""
        ...


class _Process:
    def __init__(self) -> None:
        self.producers: weakref.WeakSet[Watched] = weakref.WeakSet()
        # The strong reference keeps events in memory alive when the service drops its last
        # reference to a producer whose thread is running.
        self.running: set[Watched] = set()
        self.exiting = False


_process = _Process()


def watch(producer: Watched) -> None:
    """Call ``after_fork`` of the producer in forked children, as long as it exists."""
    _process.producers.add(producer)


def started(producer: Watched) -> None:
    """The producer has a running thread: keep it alive, and close it when the process exits."""
    _process.running.add(producer)


def stopped(producer: Watched) -> None:
    """The producer's thread has stopped."""
    _process.running.discard(producer)


def is_exiting() -> bool:
    """Whether the exit handler has run: it may have passed a producer that starts now."""
    return _process.exiting


def _after_fork_in_child() -> None:
    # A child that an exiting process forks is not exiting itself.
    _process.exiting = False
    _process.running.clear()
    close_inherited_locks()
    for producer in list(_process.producers):
        producer.after_fork()


def _close_all() -> None:
    _process.exiting = True
    deadline: float | None = None
    for producer in list(_process.running):
        if deadline is None:
            deadline = time.monotonic() + producer.close_seconds
        # close() has already logged lost events as an error.
        with suppress(AuditError):
            producer.close(max(0.0, deadline - time.monotonic()))


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
atexit.register(_close_all)
