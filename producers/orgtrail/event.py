"""What an event is made of: its actor, targets, changes and context.

``orgtrail.make`` checks them and makes the event.
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
    # make_event checks it, and names the field.
    ActorType = str

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)


class _Absent(str):
    """The empty text of what a caller never gave, told apart from one that a client left empty."""

    __slots__ = ()


ABSENT = _Absent()


class Actor(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, gc=False):
    """Whose account acted. ``type`` is user, service_account, support or system."""

    type: ActorType = "user"
    id: Text = ABSENT
    email: Text = ABSENT
    name: Text = ""

    if TYPE_CHECKING:
        # A type checker refuses an actor with neither an id nor an email, as emit does.
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
    """Who or what was acted upon. ``type``: user, organization, invitation, and so on."""

    type: str
    id: Text = ""
    email: Text = ""
    name: Text = ""


class Change(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, gc=False):
    """One changed field. ``None`` is "there was none", which the empty text is not."""

    field: str
    old: Text = None
    new: Text = None


class Context(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, gc=False):
    """Where it came from. ``session_id`` names a session; it is never its token."""

    ip: Text = ""
    user_agent: Text = ""
    request_id: Text = ""
    session_id: Text = ""
    service: Text = ""
    trace_id: Text = ""


class Event(msgspec.Struct, kw_only=True, gc=False):
    """One event of one organization, as it is encoded: checked and without secrets.

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
    """The event in the form of the Avro schema: dictionaries, and ``occurred_at`` in UTC."""
    record: Record = asdict(event)
    for field in ("actor", "impersonator", "context"):
        record[field] = None if record[field] is None else asdict(record[field])
    for field in ("targets", "changes"):
        record[field] = [asdict(item) for item in record[field]]
    record["occurred_at"] = EPOCH + event.occurred_at * MILLISECOND
    return record
