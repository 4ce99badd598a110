"""``diff``: what changed between two states of an object, as the ``changes`` of an event."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from orgtrail.changes.fields import Fields, fields_of, plain
from orgtrail.errors import InvalidEventError
from orgtrail.event import Change
from orgtrail.text import text
from orgtrail.typed.unlisted import nearest
from orgtrail_schemas.catalogue import REDACTED, Catalogue, EventType, catalogue

_NO_LIMIT = 1 << 62
"""``emit`` cuts what is too long, and says so in the event."""


class Changes(list[Change]):
    """The changed fields, as ``diff`` found them."""

    __slots__ = ()


class Snapshot(dict[str, Any]):
    """The fields of an object as they were, for a later ``diff``. Its ``repr`` shows no value."""

    __slots__ = ("fields",)

    def __init__(self, fields: Fields) -> None:
        super().__init__(fields.values)
        self.fields = fields

    def __repr__(self) -> str:
        return f"Snapshot({', '.join(self)})"


def snapshot(obj: object) -> Snapshot:
    """The state of an object that is about to change: nothing in it is shared with the object.

    Raises:
        InvalidEventError: ``diff`` cannot read such an object.
    """
    return Snapshot(_read("snapshot", obj))


def diff(
    before: object,
    after: object,
    *,
    event: str | None = None,
    only: Iterable[str] | None = None,
    names: Mapping[str, str] | None = None,
    known: Catalogue | None = None,
) -> Changes:
    """The fields whose values differ, with their old and new values as text.

    Both sides are mappings, dataclasses, attrs classes, pydantic models, msgspec structs, Django
    models or snapshots, not necessarily of one kind. ``None`` for a whole side is an object that
    was just made, or deleted. A key that a mapping lacks counts as ``None``; a field that an object
    has not loaded, or that was never set, is not compared.

    Secrets are redacted by ``emit``, and within nested values here.

    Args:
        before: The state before the change; take a ``snapshot`` of what is changed in place.
        after: The state after it.
        event: Keep the fields that the catalogue declares for this event, in its order.
        only: Keep these fields of the objects. A partial update passes itself: ``only=patch``.
        names: What fields of the objects are called in the event: ``{"role_id": "role"}``.
        known: The catalogue; the one that ships with this version unless given.

    Raises:
        InvalidEventError: an object or a value cannot be read, or the event or a field is unknown.
    """
    known = known or catalogue()
    listed = None if event is None else _listed(event, known)
    old, new = _read("before", before), _read("after", after)
    renamed = dict(names or {})
    wanted = list(dict.fromkeys([*old.values, *new.values]))
    if only is not None:
        chosen = [only] if isinstance(only, str) else list(only)
        _check_names("only", chosen, old, new)
        wanted = [name for name in wanted if name in chosen]
    _check_names("names", renamed, old, new)
    pairs = [(renamed.get(name, name), name) for name in wanted]
    if listed is not None:
        order = {field: index for index, field in enumerate(listed.changes)}
        pairs = [pair for pair in pairs if pair[0] in order]
        pairs.sort(key=lambda pair: order[pair[0]])
    changes = Changes()
    for field, name in pairs:
        if name not in old.unknown and name not in new.unknown:
            change = _compare(field, old.values.get(name), new.values.get(name), known)
            if change is not None:
                changes.append(change)
    return changes


def _listed(event: str, known: Catalogue) -> EventType:
    listed = known.events.get(event)
    if listed is None:
        meant = nearest(event, known.events)
        maybe = f" (maybe {meant}?)" if meant else ""
        raise InvalidEventError("event", f"{event} is not in the catalogue{maybe}")
    return listed


def _read(side: str, obj: object) -> Fields:
    return obj.fields if isinstance(obj, Snapshot) else fields_of(side, obj)


def _check_names(argument: str, given: Iterable[str], old: Fields, new: Fields) -> None:
    """A name that neither side has is a mistake, unless a mapping may just lack it today."""
    if old.open or new.open:
        return
    for name in given:
        if not (old.has(name) or new.has(name)) and (old.names() or new.names()):
            raise InvalidEventError(argument, f"neither object has a field {name}")


def _compare(field: str, old: Any, new: Any, known: Catalogue) -> Change | None:
    # Equal values of one type may read differently (a time in two zones): nothing changed. Values
    # of two types may read alike (5 of a row and "5" of a form): nothing changed either. Within
    # lists and mappings the text alone counts, because to Python 1 and True are equal.
    if type(old) is type(new) and not isinstance(old, dict | list) and _equal(old, new):
        return None
    if _as_text(field, old, ordered=True) == _as_text(field, new, ordered=True):
        return None
    return Change(
        field=field,
        old=_as_text(field, _hide(old, known)),
        new=_as_text(field, _hide(new, known)),
    )


def _equal(old: Any, new: Any) -> bool:
    try:
        return bool(old == new)
    except ArithmeticError:  # A signalling NaN is equal to nothing.
        return False


def _hide(value: Any, known: Catalogue) -> Any:
    """The value without the secrets within it; a secret field as a whole is left to ``emit``."""
    if isinstance(value, dict):
        return {
            name: REDACTED if inner is not None and _is_secret(name, known) else _hide(inner, known)
            for name, inner in value.items()
        }
    if isinstance(value, list):
        return [_hide(inner, known) for inner in value]
    return REDACTED if hasattr(value, "get_secret_value") else value


def _is_secret(name: str, known: Catalogue) -> bool:
    # As in any listed event: in an unlisted one every name is secret.
    any_event = next(iter(known.events), "")
    return known.change_sensitivity(any_event, name) == "secret"


def _as_text(field: str, value: Any, *, ordered: bool = False) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if hasattr(value, "get_secret_value"):
        return _as_text(field, plain(field, value.get_secret_value()), ordered=ordered)
    try:
        if not isinstance(value, dict | list):
            return text(value, _NO_LIMIT, field, [])
        return json.dumps(
            value,
            ensure_ascii=False,
            sort_keys=ordered,
            default=lambda inner: _as_text(field, inner, ordered=ordered),
        )
    except InvalidEventError:
        raise
    except (TypeError, ValueError, RecursionError):
        raise InvalidEventError(field, "must be text, or something that JSON can hold") from None
