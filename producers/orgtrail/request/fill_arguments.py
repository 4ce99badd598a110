"""Fills in the arguments of ``emit`` from the current scope."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from orgtrail.errors import InvalidEventError
from orgtrail.event import Actor, Context
from orgtrail.scope import UNKNOWN, Scope


def completed(
    scope: Scope,
    org_id: Any,
    actor: Actor | None,
    impersonator: Actor | None,
    context: Context | None,
    traceparent: str | None,
) -> tuple[Any, Actor | None, Actor | None, Context, str | None]:
    """Return the arguments of ``emit``; missing ones are taken from the scope.

    Raises:
        InvalidEventError: ``context`` is not a ``Context``.
    """
    origin = scope.where()
    if context is not None and type(context) is not Context:
        raise InvalidEventError("context", "must be a Context")
    if context is not None:
        passed = {
            name: value for name in Context.__struct_fields__ if (value := getattr(context, name))
        }
        origin = replace(origin, **passed)
    return (
        scope.org_id if org_id is None else org_id,
        # An unauthenticated request is recorded too, with an unknown actor.
        actor or scope.who() or UNKNOWN,
        impersonator or scope.impersonator,
        origin,
        traceparent or scope.traceparent,
    )
