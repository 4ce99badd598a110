"""Serializes a scope for another process: a small dictionary of strings in a task's headers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orgtrail.errors import InvalidEventError
from orgtrail.event import Actor
from orgtrail.request.traceparent import validated
from orgtrail.scope import Scope
from orgtrail.text import text
from orgtrail_schemas.catalogue import ACTOR_TYPES
from orgtrail_schemas.limits import ORG_ID

KEY = "orgtrail_scope"
"""The name of the task header, or the key in a job's metadata, that holds the scope."""

VERSION = "1"
"""Changes only when a field changes its meaning. ``load`` ignores unknown versions."""

LONGEST = 1_024
"""Maximum length of a value, in characters. ``dump`` truncates longer values."""

_PEOPLE = ("actor", "impersonator")
_PERSON = ("type", "id", "email", "name")
_ORIGIN = ("ip", "user_agent", "request_id", "session_id")


def dump(scope: Scope) -> dict[str, str]:
    """Serialize the current values for ``load``. Contains only data that events contain too."""
    values: dict[str, Any] = {"org_id": scope.org_id, "traceparent": scope.traceparent}
    values |= {field: getattr(scope, field) for field in _ORIGIN}
    for whose, person in zip(_PEOPLE, (scope.who(), scope.impersonator), strict=True):
        if person is not None:
            values |= {f"{whose}.{field}": getattr(person, field) for field in _PERSON}
    texts = {"v": VERSION}
    for field, value in values.items():
        try:
            converted = text(value, LONGEST, field, [])
        except InvalidEventError:
            continue  # emit would reject this value, but it must not keep the task from being sent
        if converted:
            texts[field] = converted
    return texts


def load(carried: Any) -> Scope | None:
    """Restore a scope that ``dump`` wrote; ``None`` for anything else. Drops invalid fields."""
    if not isinstance(carried, Mapping) or carried.get("v") != VERSION:
        return None

    def get(field: str) -> str:
        value = carried.get(field)
        return value if isinstance(value, str) and len(value) <= LONGEST else ""

    org_id = get("org_id")
    traceparent, trace_id = validated(get("traceparent"))
    return Scope(
        actor=_person("actor", get),
        impersonator=_person("impersonator", get),
        org_id=org_id if ORG_ID.fullmatch(org_id) else None,
        traceparent=traceparent,
        trace_id=trace_id,
        **{field: get(field) for field in _ORIGIN},
    )


def _person(whose: str, get: Any) -> Actor | None:
    values = {field: get(f"{whose}.{field}") for field in _PERSON}
    return Actor(**values) if values["type"] in ACTOR_TYPES else None
