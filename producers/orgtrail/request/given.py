"""What a caller of ``emit`` gave, completed by the scope of the request at hand."""

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
    """What the caller gave, and the scope's for the rest."""
    where = scope.where()
    if context is not None and type(context) is not Context:
        raise InvalidEventError("context", "must be a Context")
    if context is not None:
        given = {
            name: value for name in Context.__struct_fields__ if (value := getattr(context, name))
        }
        where = replace(where, **given)
    return (
        scope.org_id if org_id is None else org_id,
        # A request that nobody signed in to is recorded as well: its actor is unknown.
        actor or scope.who() or UNKNOWN,
        impersonator or scope.impersonator,
        where,
        traceparent or scope.traceparent,
    )
