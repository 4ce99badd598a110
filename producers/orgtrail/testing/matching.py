"""Whether a recorded event is the one that a test expects, and how both are shown to people."""

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
"""The values of an event that a field may be; one of them is enough."""


class Expected(TypedDict, total=False):
    """What a test may say of an event.

    ``changes`` and ``metadata`` name what must be among those of the event. A ``target_`` field
    holds when one of the targets has it.
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
    """An expected event: its key, or any, and the fields that it must have."""

    def __init__(self, event: str | None, fields: Mapping[str, Any]) -> None:
        self.event = event
        self._fields = fields
        for name in fields:
            if name not in Expected.__annotations__:
                known = ", ".join(Expected.__annotations__)
                raise TypeError(f"an event is not found by {name}, but by {known}")

    def __str__(self) -> str:
        fields = ", ".join(f"{name}={value!r}" for name, value in self._fields.items())
        return (self.event or "an event") + (f" with {fields}" if fields else "")

    def misses(self, made: Event) -> list[str]:
        """Where the event differs, one sentence each; none when it is as expected."""
        if self.event is not None and made.event != self.event:
            return [f"the event is {made.event}"]
        found = []
        for name, value in self._fields.items():
            if name == "changes":
                found += _changes(made, value)
            elif name == "metadata":
                found += _metadata(made, value)
            else:
                actual = _FIELDS[name](made)
                if not any(_same(value, one) for one in actual):
                    found.append(f"{name} is {' and '.join(map(repr, actual)) or 'absent'}")
        return found


def describe(made: Event, wanted: Wanted) -> str:
    """The event in a line, and in further lines how one of the same key differs."""
    parts = [made.event, f"org_id={made.org_id!r}", f"actor={_person(made.actor)}"]
    parts.append(f"targets=[{', '.join(map(_person, made.targets))}]")
    if made.changes:
        changes = {change.field: (change.old, change.new) for change in made.changes}
        parts.append(f"changes={changes!r}")
    if made.metadata:
        parts.append(f"metadata={made.metadata!r}")
    parts.append(f"outcome={made.outcome!r}")
    line = " ".join(parts)
    if made.event == wanted.event:
        line += "".join(f"\n       {miss}" for miss in wanted.misses(made))
    return line


def _changes(made: Event, expected: Mapping[str, Any]) -> list[str]:
    actual = {change.field: (change.old, change.new) for change in made.changes}
    found = []
    for field, pair in expected.items():
        if field not in actual:
            found.append(f"{field} did not change")
        elif pair != actual[field] and (
            len(pair) != 2 or not all(map(_same_value, pair, actual[field]))
        ):
            found.append(f"{field} changed as {actual[field]!r}")
    return found


def _metadata(made: Event, expected: Mapping[str, Any]) -> list[str]:
    found = []
    for key, value in expected.items():
        if key not in made.metadata:
            found.append(f"metadata has no {key}")
        elif not _same(value, made.metadata[key]):
            found.append(f"metadata {key} is {made.metadata[key]!r}")
    return found


def _same(expected: Any, actual: Any) -> bool:
    """Whether the value is the recorded one, as it is or as the text that it is sent as."""
    if expected == actual:
        return True
    try:
        return bool(text(expected, _LONG, "expected", []) == actual)
    except InvalidEventError:
        return False


def _same_value(expected: Any, actual: Any) -> bool:
    # For a changed field None is "there was none", which the empty text is not.
    none = expected is None or actual is None
    return bool(expected == actual) if none else _same(expected, actual)


def _person(who: Any) -> str:
    return f"{who.type}:{who.id or who.email or who.name}"
