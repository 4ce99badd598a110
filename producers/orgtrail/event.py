"""The parts of an event: actor, targets, changes and context.

``orgtrail.build`` validates them and builds the event.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal, overload

import msgspec
from msgspec.structs import asdict

from orgtrail.text import Text

Record = dict[str, Any]

if TYPE_CHECKING:
    ActorType = Literal["user", "service_account", "support", "system"]
else:
    # Plain str at run time, so that make_event can reject other values and name the field.
    ActorType = str

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)


class _Absent(str):
    """An empty string that means "not passed", distinct from an empty string that was passed."""

    __slots__ = ()


ABSENT = _Absent()


class Actor(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, gc=False):
    """The account that acted. ``type`` is user, service_account, support or system."""

    type: ActorType = "user"
    id: Text = ABSENT
    email: Text = ABSENT
    name: Text = ""

    if TYPE_CHECKING:
        # Type checkers reject an actor with neither an id nor an email, as emit does.
        @overload
        def __init__(
            self, *, id: Text, email: Text = ..., name: Text = ..., type: ActorType = ...
        ) -> None: ...
        @overload
        def __init__(self, *, email: Text, name: Text = ..., type: ActorType = ...) -> None: ...
        @overload
        def __init__(self, *, type: Literal["system"], name: Text = ...) -> None: ...
        def __init__(self, **_fields: Any) -> None: ...


class Target(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, gc=False):
    """The object of the action. ``type`` is user, organization, invitation, and so on."""

    type: str
    id: Text = ""
    email: Text = ""
    name: Text = ""


class Change(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, gc=False):
    """One changed field. ``None`` means "no value"; an empty string is a value."""

    field: str
    old: Text = None
    new: Text = None


class Context(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, gc=False):
    """The origin of the event. ``session_id`` is an identifier, never the session token."""

    ip: Text = ""
    user_agent: Text = ""
    request_id: Text = ""
    session_id: Text = ""
    service: Text = ""
    trace_id: Text = ""


class Event(msgspec.Struct, kw_only=True, gc=False):
    """One event of one organization, ready to encode: validated and without secrets.

    ``occurred_at`` is in milliseconds since 1970 (UTC).
    """

    event_id: str
    event: str
    occurred_at: int
    org_id: str
    actor: Actor
    impersonator: Actor | None
    targets: Sequence[Target | Actor]
    changes: Sequence[Change]
    context: Context
    outcome: str
    metadata: dict[str, str]


def as_record(event: Event) -> Record:
    """Convert the event to the Avro record: dictionaries, and ``occurred_at`` as a UTC datetime."""
    record: Record = asdict(event)
    for field in ("actor", "impersonator", "context"):
        record[field] = None if record[field] is None else asdict(record[field])
    for field in ("targets", "changes"):
        record[field] = [asdict(item) for item in record[field]]
    record["occurred_at"] = EPOCH + event.occurred_at * MILLISECOND
    return record
