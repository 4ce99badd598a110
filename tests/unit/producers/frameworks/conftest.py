"""Real frameworks in process; the events are kept in a list instead of being sent."""

import pytest

from orgtrail import producer, scope
from orgtrail.request import asked


@pytest.fixture(autouse=True)
def events():
    """Every event that is emitted during the test."""
    kept = []
    former = producer.set_sink(kept.extend)
    yield kept
    producer.set_sink(former)


@pytest.fixture(autouse=True)
def _no_scope_is_left_behind(monkeypatch):
    monkeypatch.setattr(asked, "_reported", set())
    assert scope.current() is None
    yield
    assert scope.current() is None
