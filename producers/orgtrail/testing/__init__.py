"""Test support for services that emit audit events: a recorder and pytest fixtures.

Add ``pytest_plugins = ["orgtrail.testing"]`` to ``conftest.py``. The fixtures ``audit`` and
``strict_audit`` then record the events that a test emits. Nothing is sent.
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
    """Records every event that the process emits, validated and redacted, instead of sending it.

    Use it as a context manager. If recorders are nested, only the inner one records; the outer one
    resumes when the inner one ends. ``strict`` rejects whatever the catalogue does not declare: the
    event, a change field, a metadata key, or the type of a target.
    """

    def __init__(self, *, strict: bool = False, known: Catalogue | None = None) -> None:
        """``known`` is the catalogue for the strict mode.

        It defaults to the catalogue of this version together with ``ORGTRAIL_CATALOGUE_FILE``.
        """
        self._known = (known or _configured()) if strict else None
        self._events: list[Event] = []
        self._refused: list[UnlistedError] = []
        self._former: producer.Sink | None = None
        self._lock = threading.Lock()

    @property
    def events(self) -> list[Event]:
        """The emitted events, oldest first. An event of several organizations counts for each."""
        with self._lock:
            return list(self._events)

    @property
    def refused(self) -> list[UnlistedError]:
        """The errors of the strict mode, including those that the code under test has caught."""
        with self._lock:
            return list(self._refused)

    def clear(self) -> None:
        """Forget all events recorded so far."""
        with self._lock:
            self._events.clear()
            self._refused.clear()

    def find(self, event: str | None = None, **fields: Unpack[Expected]) -> list[Event]:
        """Return the emitted events with this key and these fields, oldest first."""
        wanted = Wanted(event, fields)
        return [emitted for emitted in self.events if not wanted.misses(emitted)]

    def assert_emitted(
        self, event: str | None = None, *, times: int | None = None, **fields: Unpack[Expected]
    ) -> Event:
        """Fail unless a matching event was emitted (exactly ``times`` times); return the first.

        The failure message lists the events that were emitted instead.
        """
        matches = self.find(event, **fields)
        if matches and times in (None, len(matches)):
            return matches[0]
        wanted = Wanted(event, fields)
        count = f"emitted {len(matches)} times, not {times}" if matches else "not emitted"
        raise AssertionError(f"{wanted} was {count}. {self._emitted(wanted)}")

    def assert_not_emitted(self, event: str | None = None, **fields: Unpack[Expected]) -> None:
        """Fail if a matching event was emitted; without arguments, if any event was emitted."""
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

    def _take(self, emitted: list[Event]) -> None:
        try:
            if self._known is not None:
                check_listed(emitted[0], self._known)
        except UnlistedError as error:
            with self._lock:
                self._refused.append(error)
            raise
        with self._lock:
            self._events.extend(emitted)

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
    # The recorder works without pytest.
    pass
else:

    @pytest.fixture
    def audit() -> Iterator[Recorder]:
        """Record the audit events that this test emits; none of them is sent."""
        with Recorder() as recorder:
            yield recorder

    @pytest.fixture
    def strict_audit() -> Iterator[Recorder]:
        """Like ``audit``, but emitting anything that the catalogue does not declare raises."""
        with Recorder(strict=True) as recorder:
            yield recorder
