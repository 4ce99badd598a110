"""``diff`` compares two states of an object and returns the ``changes`` of an event."""

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
"""Values are not truncated here, because ``emit`` does that and records it in the event."""


class Changes(list[Change]):
    """The changed fields that ``diff`` returns."""

    __slots__ = ()


class Snapshot(dict[str, Any]):
    """A copy of an object's fields, for a later ``diff``. Its ``repr`` shows no values."""

    __slots__ = ("fields",)

    def __init__(self, fields: Fields) -> None:
        super().__init__(fields.values)
        self.fields = fields

    def __repr__(self) -> str:
        return f"Snapshot({', '.join(self)})"


def snapshot(obj: object) -> Snapshot:
    """Copy the state of an object before it changes. The copy shares nothing with the object.

    Raises:
        InvalidEventError: ``diff`` does not support objects of this type.
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
    """Return the fields whose values differ, with the old and new values as text.

    Each side is a mapping, dataclass, attrs class, pydantic model, msgspec struct, Django model or
    snapshot. The two sides may be of different kinds. Pass ``None`` as a side for an object that
    was just created or deleted. A key that a mapping lacks counts as ``None``. A field that an
    object has not loaded, or that was never set, is not compared.

    Secrets inside nested values are redacted here. ``emit`` redacts secret fields.

    Args:
        before: The state before the change; pass a ``snapshot`` if the object changes in place.
        after: The state after the change.
        event: Keep only the fields that the catalogue declares for this event, in its order.
        only: Keep only these fields of the objects. For a partial update: ``only=patch``.
        names: Maps field names of the objects to names in the event: ``{"role_id": "role"}``.
        known: The catalogue; by default the one that ships with this version.

    Raises:
        InvalidEventError: an object or value is not supported, or the event or a field is unknown.
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
        suggestion = nearest(event, known.events)
        hint = f" (maybe {suggestion}?)" if suggestion else ""
        raise InvalidEventError("event", f"{event} is not in the catalogue{hint}")
    return listed


def _read(side: str, obj: object) -> Fields:
    return obj.fields if isinstance(obj, Snapshot) else fields_of(side, obj)


def _check_names(argument: str, names: Iterable[str], old: Fields, new: Fields) -> None:
    """Reject names that neither side has. A mapping may lack a key, so it accepts any name."""
    if old.open or new.open:
        return
    for name in names:
        if not (old.has(name) or new.has(name)) and (old.names() or new.names()):
            raise InvalidEventError(argument, f"neither object has a field {name}")


def _compare(field: str, old: Any, new: Any, known: Catalogue) -> Change | None:
    # Values are unchanged if they are equal or if their texts are equal. Equal values of one type
    # may have different texts (a time in two zones). Values of different types may have the same
    # text (5 in a row and "5" in a form). Inside lists and mappings only the text is compared,
    # because Python considers 1 and True equal.
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
    except ArithmeticError:  # Comparing a signalling NaN raises.
        return False


def _hide(value: Any, known: Catalogue) -> Any:
    """Redact the secrets inside a value. ``emit`` redacts a field that is secret as a whole."""
    if isinstance(value, dict):
        return {
            name: REDACTED if inner is not None and _is_secret(name, known) else _hide(inner, known)
            for name, inner in value.items()
        }
    if isinstance(value, list):
        return [_hide(inner, known) for inner in value]
    return REDACTED if hasattr(value, "get_secret_value") else value


def _is_secret(name: str, known: Catalogue) -> bool:
    # Look the name up for some listed event, because every name is secret in an unlisted one.
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
        raise InvalidEventError(field, "must be text or JSON-serializable") from None
