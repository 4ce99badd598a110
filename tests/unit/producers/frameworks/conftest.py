"""Real frameworks in process; the events are kept in a list instead of being sent."""

import logging

import pytest

from orgtrail import producer, scope
from orgtrail.request import service_callbacks


@pytest.fixture(autouse=True)
def events():
    """Every event that is emitted during the test."""
    kept = []
    former = producer.set_sink(kept.extend)
    yield kept
    producer.set_sink(former)


@pytest.fixture(autouse=True)
def _no_scope_is_left_behind(monkeypatch):
    monkeypatch.setattr(service_callbacks, "_reported", set())
    assert scope.current() is None
    yield
    assert scope.current() is None


@pytest.fixture(autouse=True, scope="module")
def _logging_as_it_was():
    """Frameworks set up logging for the whole process."""
    root = logging.getLogger()
    level, handlers = root.level, list(root.handlers)
    yield
    root.setLevel(level)
    root.handlers[:] = handlers
