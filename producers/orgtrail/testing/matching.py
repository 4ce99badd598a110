"""Matches recorded events against a test's expectation, and formats both for failure messages."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypedDict

from orgtrail.errors import InvalidEventError
from orgtrail.event import Event
from orgtrail.text import Text, text

_LONG = 1 << 20

_FIELDS: dict[str, Callable[[Event], list[Any]]] = {
    "org_id": lambda e: [e.org_id],
    "actor_id": lambda e: [e.actor.id],
    "actor_email": lambda e: [e.actor.email],
    "target_id": lambda e: [target.id for target in e.targets],
    "target_email": lambda e: [target.email for target in e.targets],
    "target_type": lambda e: [target.type for target in e.targets],
    "outcome": lambda e: [e.outcome],
    "event_id": lambda e: [e.event_id],
}
"""The values of an event that each field is compared with; one match is enough."""


class Expected(TypedDict, total=False):
    """The fields by which a test can match an event.

    ``changes`` and ``metadata`` match if the event contains at least these entries. A ``target_``
    field matches if at least one target has the value.
    """

    org_id: Text
    actor_id: Text
    actor_email: Text
    target_id: Text
    target_email: Text
    target_type: Text
    changes: Mapping[str, tuple[Text, Text]]
    metadata: Mapping[str, Text]
    outcome: Text
    event_id: Text


class Wanted:
    """An expected event: its key (``None`` for any) and the fields that it must have."""

    def __init__(self, event: str | None, fields: Mapping[str, Any]) -> None:
        self.event = event
        self._fields = fields
        for name in fields:
            if name not in Expected.__annotations__:
                known = ", ".join(Expected.__annotations__)
                raise TypeError(f"events cannot be matched by {name}, only by {known}")

    def __str__(self) -> str:
        fields = ", ".join(f"{name}={value!r}" for name, value in self._fields.items())
        return (self.event or "an event") + (f" with {fields}" if fields else "")

    def misses(self, emitted: Event) -> list[str]:
        """Return how the event differs, one sentence per field; empty if it matches."""
        if self.event is not None and emitted.event != self.event:
            return [f"the event is {emitted.event}"]
        differences = []
        for name, value in self._fields.items():
            if name == "changes":
                differences += _changes(emitted, value)
            elif name == "metadata":
                differences += _metadata(emitted, value)
            else:
                actual = _FIELDS[name](emitted)
                if not any(_same(value, one) for one in actual):
                    differences.append(f"{name} is {' and '.join(map(repr, actual)) or 'absent'}")
        return differences


def describe(emitted: Event, wanted: Wanted) -> str:
    """Format the event on one line. If it has the wanted key, list the differences below."""
    parts = [emitted.event, f"org_id={emitted.org_id!r}", f"actor={_person(emitted.actor)}"]
    parts.append(f"targets=[{', '.join(map(_person, emitted.targets))}]")
    if emitted.changes:
        changes = {change.field: (change.old, change.new) for change in emitted.changes}
        parts.append(f"changes={changes!r}")
    if emitted.metadata:
        parts.append(f"metadata={emitted.metadata!r}")
    parts.append(f"outcome={emitted.outcome!r}")
    line = " ".join(parts)
    if emitted.event == wanted.event:
        line += "".join(f"\n       {miss}" for miss in wanted.misses(emitted))
    return line


def _changes(emitted: Event, expected: Mapping[str, Any]) -> list[str]:
    actual = {change.field: (change.old, change.new) for change in emitted.changes}
    differences = []
    for field, pair in expected.items():
        if field not in actual:
            differences.append(f"{field} did not change")
        elif pair != actual[field] and (
            len(pair) != 2 or not all(map(_same_value, pair, actual[field]))
        ):
            differences.append(f"{field} changed from {actual[field][0]!r} to {actual[field][1]!r}")
    return differences


def _metadata(emitted: Event, expected: Mapping[str, Any]) -> list[str]:
    differences = []
    for key, value in expected.items():
        if key not in emitted.metadata:
            differences.append(f"metadata has no {key}")
        elif not _same(value, emitted.metadata[key]):
            differences.append(f"metadata {key} is {emitted.metadata[key]!r}")
    return differences


def _same(expected: Any, actual: Any) -> bool:
    """Whether the expected value equals the recorded one, directly or after conversion to text."""
    if expected == actual:
        return True
    try:
        return bool(text(expected, _LONG, "expected", []) == actual)
    except InvalidEventError:
        return False


def _same_value(expected: Any, actual: Any) -> bool:
    # In a change None means "no value" and must not match an empty string.
    none = expected is None or actual is None
    return bool(expected == actual) if none else _same(expected, actual)


def _person(who: Any) -> str:
    return f"{who.type}:{who.id or who.email or who.name}"
