"""The catalogue of all event types that Orgtrail knows by name, read from ``catalogue.toml``."""

from __future__ import annotations

import json
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, Literal

import msgspec

from orgtrail_schemas.reading import read_toml
from orgtrail_schemas.secret_names import SecretNames

Level = Literal["user", "organization", "other"]
Sensitivity = Literal["public", "personal", "secret"]

LEVELS: tuple[Level, ...] = ("user", "organization", "other")
ACTOR_TYPES = ("user", "service_account", "support", "system")
OUTCOMES = ("success", "failure", "denied")

REDACTED = "[redacted]"
"""Replaces a secret value. Readers see that the value changed, but not what it was."""

UNASSIGNED_ORG = "unassigned"
"""The reserved ``org_id`` of events of a person who does not belong to an organization yet."""

_CACHED = 8_192
_FOLDER = Path(__file__).parent

SHIPPED = _FOLDER / "catalogue.toml"
"""The file of the catalogue that ships with this version."""

_RANK: dict[Sensitivity, int] = {"public": 0, "personal": 1, "secret": 2}


class EventType(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One entry of the catalogue.

    ``own`` marks types that Orgtrail itself records. ``changes`` and ``metadata`` map the expected
    names to their sensitivity.
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
        """The level, which follows from the key's prefix."""
        return level_of(self.key)


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    fields: dict[str, Sensitivity] = {}
    event: list[EventType] = []


class Catalogue:
    """The event types by key, and the sensitivity of their fields."""

    def __init__(self, events: list[EventType], fields: dict[str, Sensitivity]) -> None:
        """Raises ``ValueError`` when two entries share a key or a display name."""
        self.events: dict[str, EventType] = {event.key: event for event in events}
        self._fields = fields
        secrets = SecretNames(name for name, kind in fields.items() if kind == "secret")
        self._is_secret, self._holds_secret = secrets.same, secrets.contained
        # Senders choose the names, so the caches are bounded: nobody can fill the memory.
        self.change_sensitivity = lru_cache(_CACHED)(self._change_sensitivity)
        self.metadata_sensitivity = lru_cache(_CACHED)(self._metadata_sensitivity)
        if len(self.events) != len(events) or len({e.name for e in events}) != len(events):
            raise ValueError("two entries of the catalogue share a key or a name")

    def is_secret_name(self, name: str) -> bool:
        """Whether an undeclared name means a secret, in any spelling."""
        return self._is_secret(name) or self._holds_secret(name)

    def name_of(self, event: str) -> str:
        """The display name. For an unlisted event it is the key."""
        known = self.events.get(event)
        return known.name if known else event

    def _change_sensitivity(self, event: str, field: str) -> Sensitivity:
        """The sensitivity of a change's old and new value."""
        known = self.events.get(event)
        return self._sensitivity(known, known.changes if known else {}, field)

    def _metadata_sensitivity(self, event: str, key: str) -> Sensitivity:
        """The sensitivity of a metadata value."""
        known = self.events.get(event)
        return self._sensitivity(known, known.metadata if known else {}, key)

    def _sensitivity(
        self, known: EventType | None, declared: dict[str, Sensitivity], name: str
    ) -> Sensitivity:
        if self._is_secret(name):
            return "secret"
        # An event's own declaration can raise the sensitivity from [fields], but never lower it.
        declarations = [s for s in (declared.get(name), self._fields.get(name)) if s is not None]
        if declarations:
            return max(declarations, key=_RANK.__getitem__)
        # An undeclared field is judged by its name: a listed event's db_password is a secret.
        return "personal" if known and not self._holds_secret(name) else "secret"


def level_of(event: str) -> Level:
    """The level of an event key, listed or not, by its prefix."""
    if event.startswith("user."):
        return "user"
    if event.startswith("org."):
        return "organization"
    return "other"


def read_catalogue(*files: Path) -> Catalogue:
    """Read and merge these files. Each has the format of ``catalogue.toml``.

    Raises:
        OSError: a file cannot be read.
        ValueError: a file does not have the format that the header of ``catalogue.toml``
            describes, or two entries share a key or a display name.
    """
    parsed = [read_toml(path.read_bytes(), _File) for path in files]
    fields: dict[str, Sensitivity] = {}
    for name, kind in (pair for file in parsed for pair in file.fields.items()):
        fields[name] = max(kind, fields.get(name, kind), key=_RANK.__getitem__)
    return Catalogue([event for file in parsed for event in file.event], fields)


@cache
def catalogue() -> Catalogue:
    """The catalogue that ships with this version.

    Raises:
        ValueError: the file does not have the format that its header describes.
    """
    return read_catalogue(SHIPPED)


@cache
def examples() -> dict[str, dict[str, Any]]:
    """One example of each event type, by key, in the format that ``orgtrail emit`` reads."""
    return {
        path.stem: json.loads(path.read_text("utf-8"))
        for path in sorted(_FOLDER.joinpath("examples").glob("*.json"))
    }
