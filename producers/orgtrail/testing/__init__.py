"""Tests of a service that emits audit events: a recorder, and fixtures for pytest.

In ``conftest.py``: ``pytest_plugins = ["orgtrail.testing"]``. Then a test that names the fixture
``audit`` (or ``strict_audit``) has the events that were emitted during it; nothing is sent.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from types import TracebackType
from typing import Self, Unpack

from orgtrail import producer
from orgtrail.event import Event
from orgtrail.settings import ProducerSettings
from orgtrail.testing.matching import Expected, Wanted, describe
from orgtrail.testing.strict import check_listed
from orgtrail.typed.unlisted import UnlistedError
from orgtrail_schemas.catalogue import SHIPPED, Catalogue, catalogue, read_catalogue

__all__ = ["Recorder", "UnlistedError"]


class Recorder:
    """Keeps every event that the process emits, checked and redacted, and sends none.

    Use it as a context manager. Within another recorder the inner one records; the outer one goes
    on when the inner one ends. ``strict`` refuses what the catalogue does not declare: the event,
    a change field, a metadata key, or the type of a target.
    """

    def __init__(self, *, strict: bool = False, known: Catalogue | None = None) -> None:
        """``known`` is the catalogue of the strict mode.

        By default it is that of this version, together with ``ORGTRAIL_CATALOGUE_FILE``.
        """
        self._known = (known or _configured()) if strict else None
        self._events: list[Event] = []
        self._refused: list[UnlistedError] = []
        self._former: producer.Sink | None = None
        self._lock = threading.Lock()

    @property
    def events(self) -> list[Event]:
        """What was emitted, oldest first: one for each organization of an event."""
        with self._lock:
            return list(self._events)

    @property
    def refused(self) -> list[UnlistedError]:
        """What the strict mode refused, also where the code under test caught the error."""
        with self._lock:
            return list(self._refused)

    def clear(self) -> None:
        """Forget what was emitted so far."""
        with self._lock:
            self._events.clear()
            self._refused.clear()

    def find(self, event: str | None = None, **fields: Unpack[Expected]) -> list[Event]:
        """The emitted events with this key and these fields, oldest first."""
        wanted = Wanted(event, fields)
        return [made for made in self.events if not wanted.misses(made)]

    def assert_emitted(
        self, event: str | None = None, *, times: int | None = None, **fields: Unpack[Expected]
    ) -> Event:
        """Fail unless such an event was emitted, or ``times`` of them; return the first.

        The failure lists what was emitted instead.
        """
        found = self.find(event, **fields)
        if found and times in (None, len(found)):
            return found[0]
        wanted = Wanted(event, fields)
        count = f"emitted {len(found)} times, not {times}" if found else "not emitted"
        raise AssertionError(f"{wanted} was {count}. {self._emitted(wanted)}")

    def assert_not_emitted(self, event: str | None = None, **fields: Unpack[Expected]) -> None:
        """Fail if such an event was emitted; with no argument, if any was."""
        if self.find(event, **fields):
            wanted = Wanted(event, fields)
            raise AssertionError(f"{wanted} was emitted. {self._emitted(wanted)}")

    def __enter__(self) -> Self:
        self._former = producer.set_sink(self._take)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        producer.set_sink(self._former)

    def _take(self, made: list[Event]) -> None:
        try:
            if self._known is not None:
                check_listed(made[0], self._known)
        except UnlistedError as error:
            with self._lock:
                self._refused.append(error)
            raise
        with self._lock:
            self._events.extend(made)

    def _emitted(self, wanted: Wanted) -> str:
        lines = [f"  {number}. {describe(e, wanted)}" for number, e in enumerate(self.events, 1)]
        lines += [f"  refused: {error}" for error in self.refused]
        return "\n".join(["Emitted:", *lines]) if lines else "Nothing was emitted."


def _configured() -> Catalogue:
    file = ProducerSettings.load().catalogue_file
    return read_catalogue(SHIPPED, file) if file else catalogue()


try:
    import pytest
except ModuleNotFoundError:
    # The recorder is useful without pytest.
    pass
else:

    @pytest.fixture
    def audit() -> Iterator[Recorder]:
        """The audit events that this test emits; none of them is sent."""
        with Recorder() as recorder:
            yield recorder

    @pytest.fixture
    def strict_audit() -> Iterator[Recorder]:
        """The same, and what the catalogue does not declare is refused at the emit."""
        with Recorder(strict=True) as recorder:
            yield recorder
