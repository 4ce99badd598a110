"""The strict mode of ``orgtrail.testing``: rejects whatever the catalogue does not declare."""

from __future__ import annotations

from collections.abc import Iterable

from orgtrail.event import Event
from orgtrail.typed.unlisted import UnlistedError, nearest
from orgtrail_schemas.catalogue import Catalogue
from orgtrail_schemas.limits import ADDRESS_KEY, REPAIRED_KEY

_BY_THE_SDK = {ADDRESS_KEY, REPAIRED_KEY}


def check_listed(event: Event, known: Catalogue) -> None:
    """Reject an event unless the catalogue declares all of it.

    Raises:
        UnlistedError: the event, a change field, a metadata key or a target's type is undeclared.
    """
    listed = known.events.get(event.event)
    if listed is None:
        raise UnlistedError(
            f"{event.event} is not in the catalogue{_maybe(event.event, known.events)}"
        )
    for change in event.changes:
        _check(event, "change field", change.field, listed.changes)
    for key in event.metadata:
        if key not in _BY_THE_SDK:
            _check(event, "metadata key", key, listed.metadata)
    for target in event.targets:
        # An event about the actor has the actor as its target, which may be of any type.
        if target != event.actor:
            _check(event, "target type", target.type, [listed.target])


def _check(event: Event, what: str, name: str, declared: Iterable[str]) -> None:
    if name not in declared:
        names = ", ".join(declared) or "none"
        raise UnlistedError(
            f"{event.event}: the catalogue declares no {what} {name}{_maybe(name, declared)};"
            f" declared: {names}"
        )


def _maybe(name: str, names: Iterable[str]) -> str:
    close = nearest(name, names)
    return f" (maybe {close}?)" if close else ""
