"""Converts a framework's user object to an ``Actor``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from orgtrail.event import Actor

_IDS = ("pk", "id", "user_id", "sub", "identity", "username")
_NAMES = ("get_full_name", "name", "full_name", "display_name")


def actor_of(user: Any) -> Actor | None:
    """Convert a user to an ``Actor``; return ``None`` when nobody is signed in.

    The user may be an ``Actor``; a string, number or UUID (the id); or an object or mapping with
    an id (the first of ``pk``, ``id``, ``user_id``, ``sub``, ``identity`` and ``username``), an
    ``email``, and a name (``get_full_name()``, ``name``, ``full_name`` or ``display_name``). A
    user whose ``is_authenticated`` is false counts as not signed in.

    Raises:
        TypeError: the user has neither an id nor an email.
    """
    if hasattr(type(user), "_get_current_object"):
        user = user._get_current_object()  # a LocalProxy, such as Flask-Login's current_user
    if user is None or isinstance(user, Actor):
        return user
    if _is_text(user):
        return Actor(id=user)
    if not isinstance(user, Mapping) and getattr(user, "is_authenticated", True) is False:
        return None
    values = {
        "id": _first(user, _IDS),
        "email": _first(user, (getattr(type(user), "EMAIL_FIELD", "email"),)),
        "name": _first(user, _NAMES),
    }
    present = {field: value for field, value in values.items() if value is not None}
    if "id" not in present and "email" not in present:
        raise TypeError(f"{type(user).__name__} has neither an id nor an email")
    return Actor(**present)


def _first(user: Any, names: tuple[str, ...]) -> Any:
    for name in names:
        try:
            value = user.get(name) if isinstance(user, Mapping) else getattr(user, name, None)
            if name.startswith("get_") and callable(value):
                value = value()
        except Exception:  # noqa: S112 - a property may raise: SimpleUser.identity in Starlette
            continue
        if _is_text(value) and value != "":
            return value
    return None


def _is_text(value: Any) -> bool:
    return isinstance(value, str | int | UUID) and not isinstance(value, bool)
