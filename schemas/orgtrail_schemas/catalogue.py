"""The catalogue: every event type that Orgtrail knows by name, read from ``catalogue.toml``."""

from __future__ import annotations

import json
import re
from functools import cache
from importlib.resources import files
from typing import Any, Literal

import msgspec

Level = Literal["user", "organization", "other"]
Sensitivity = Literal["public", "personal", "secret"]

LEVELS: tuple[Level, ...] = ("user", "organization", "other")
ACTOR_TYPES = ("user", "service_account", "support", "system")
OUTCOMES = ("success", "failure", "denied")

REDACTED = "[redacted]"
"""What stands where a secret value was: the reader sees that it changed, not to what."""

UNASSIGNED_ORG = "unassigned"
"""The reserved ``org_id`` of an event whose person belongs to no organization yet."""

ORG_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:@-]{0,127}")
"""What an ``org_id`` that the SDK sends looks like, whole."""

_RANK: dict[Sensitivity, int] = {"public": 0, "personal": 1, "secret": 2}


class EventType(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One entry of the catalogue.

    ``own`` marks the types that Orgtrail records itself. ``changes`` and ``metadata`` map the
    expected names to their sensitivity.
    """

    key: str
    name: str
    description: str
    target: str
    about_actor: bool = False
    own: bool = False
    changes: dict[str, Sensitivity] = {}
    metadata: dict[str, Sensitivity] = {}

    @property
    def level(self) -> Level:
        """The level, by the key's prefix."""
        return level_of(self.key)


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    fields: dict[str, Sensitivity]
    event: list[EventType]


class Catalogue:
    """The event types by key, and what may be stored of which field."""

    def __init__(self, events: list[EventType], fields: dict[str, Sensitivity]) -> None:
        """Raises ``ValueError`` when two entries share a key or a display name."""
        self.events: dict[str, EventType] = {event.key: event for event in events}
        self._fields = fields
        if len(self.events) != len(events) or len({e.name for e in events}) != len(events):
            raise ValueError("two entries of the catalogue share a key or a name")

    def lists(self, event: str) -> bool:
        """Whether the key is in the catalogue."""
        return event in self.events

    def name_of(self, event: str) -> str:
        """The display name; an unlisted event is shown by its key."""
        known = self.events.get(event)
        return known.name if known else event

    def change_sensitivity(self, event: str, field: str) -> Sensitivity:
        """The sensitivity of a change's old and new value."""
        known = self.events.get(event)
        return self._sensitivity(known, known.changes if known else {}, field)

    def metadata_sensitivity(self, event: str, key: str) -> Sensitivity:
        """The sensitivity of a metadata value."""
        known = self.events.get(event)
        return self._sensitivity(known, known.metadata if known else {}, key)

    def _sensitivity(
        self, known: EventType | None, declared: dict[str, Sensitivity], name: str
    ) -> Sensitivity:
        # An event's own declaration may raise what [fields] says, never lower it.
        found = [s for s in (declared.get(name), self._fields.get(name)) if s is not None]
        if found:
            return max(found, key=_RANK.__getitem__)
        return "personal" if known else "secret"


def level_of(event: str) -> Level:
    """The level of an event key, listed or not, by its prefix."""
    if event.startswith("user."):
        return "user"
    if event.startswith("org."):
        return "organization"
    return "other"


@cache
def catalogue() -> Catalogue:
    """The catalogue that ships with this version.

    Raises:
        msgspec.ValidationError: the file does not have the form that its heading describes.
    """
    text = files(__package__).joinpath("catalogue.toml").read_bytes()
    parsed = msgspec.toml.decode(text, type=_File)
    return Catalogue(parsed.event, parsed.fields)


@cache
def examples() -> dict[str, dict[str, Any]]:
    """One example of each event type, by key, in the form that ``orgtrail emit`` reads."""
    folder = files(__package__).joinpath("examples")
    return {
        path.name.removesuffix(".json"): json.loads(path.read_text("utf-8"))
        for path in sorted(folder.iterdir(), key=lambda p: p.name)
        if path.name.endswith(".json")
    }
