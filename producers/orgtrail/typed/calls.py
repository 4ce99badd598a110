"""What the functions of ``orgtrail.events``, and of a company's own such module, are made of."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from enum import Enum
from typing import TYPE_CHECKING, Any, Final, Literal
from uuid import UUID

from orgtrail.changes import Changes
from orgtrail.errors import InvalidEventError
from orgtrail.event import Actor, Change, Context, Target
from orgtrail.text import Text
from orgtrail_schemas.catalogue import REDACTED

if TYPE_CHECKING:
    from orgtrail import AuditProducer, Delivery

    OnDelivery = Callable[[Delivery], None]
else:
    # The producer is imported when the first event is sent.
    AuditProducer = OnDelivery = Any

__all__ = [
    "REPLACED",
    "UNCHANGED",
    "Actor",
    "AuditProducer",
    "Change",
    "Changed",
    "Changes",
    "Context",
    "EventId",
    "OnDelivery",
    "OrgIds",
    "Outcome",
    "Target",
    "Targets",
    "Text",
    "Unchanged",
    "custom",
    "send",
]


class Unchanged(Enum):
    """The type of ``UNCHANGED``."""

    UNCHANGED = "unchanged"


UNCHANGED: Final = Unchanged.UNCHANGED
"""What a field that did not change is: ``None`` would be a value that it had or has."""

REPLACED: Final = (REDACTED, REDACTED)
"""For a secret field: it changed, and neither value is passed to the SDK."""

Outcome = Literal["success", "failure", "denied"]
OrgIds = Text | Iterable[Text]
Targets = Target | Iterable[Target]
Changed = tuple[Text, Text] | Unchanged
"""The old and the new value of a field, or ``UNCHANGED``."""
EventId = UUID | str | None


def send(
    event: str,
    producer: AuditProducer | None,
    *,
    kind: str,
    about_actor: bool = False,
    target: Targets | None,
    fields: Mapping[str, Changed] | None = None,
    changes: Changes | None = None,
    metadata: Mapping[str, Text] | None = None,
    **rest: Any,
) -> str:
    """Emit a listed event. ``kind`` is the type of its targets, ``rest`` the other arguments.

    Raises:
        InvalidEventError: the caller made a mistake; the error names the field.
        AuditError: the event was not taken, as ``AuditProducer.emit`` says.
    """
    targets = _targets(target, kind, about_actor)
    found = [
        _change(field, pair) for field, pair in (fields or {}).items() if pair is not UNCHANGED
    ]
    if changes:
        # A field that the caller names itself replaces the one that diff found.
        named = {change.field for change in found}
        found += [change for change in changes if change.field not in named]
    return _emit(
        producer,
        event,
        targets=targets,
        changes=found,
        metadata={key: value for key, value in (metadata or {}).items() if value is not None},
        **rest,
    )


def custom(
    event: str,
    *,
    org_id: OrgIds = None,
    actor: Actor | None = None,
    impersonator: Actor | None = None,
    targets: Targets = (),
    changes: Iterable[Change] = (),
    context: Context | None = None,
    outcome: Outcome = "success",
    metadata: Mapping[str, Text] | None = None,
    event_id: EventId = None,
    occurred_at: datetime | None = None,
    traceparent: str | None = None,
    on_delivery: OnDelivery | None = None,
    producer: AuditProducer | None = None,
) -> str:
    """Emit an event by its key, for one that has no function here.

    The values of an event that the catalogue does not list are stored as ``[redacted]``.
    """
    return _emit(
        producer,
        event,
        org_id=org_id,
        actor=actor,
        impersonator=impersonator,
        targets=targets,
        changes=changes,
        context=context,
        outcome=outcome,
        metadata=metadata,
        event_id=event_id,
        occurred_at=occurred_at,
        traceparent=traceparent,
        on_delivery=on_delivery,
    )


def _emit(producer: AuditProducer | None, event: str, **arguments: Any) -> str:
    if producer is not None:
        return producer.emit(event, **arguments)
    from orgtrail import default

    return default.emit(event, **arguments)


def _targets(target: Targets | None, kind: str, about_actor: bool) -> list[Target]:
    if type(target) is Target:
        targets = [target]
    else:
        try:
            targets = list(target or ())  # type: ignore[arg-type]
        except TypeError:
            raise InvalidEventError("target", "must be a Target, or a list of them") from None
    if not targets and not about_actor:
        raise InvalidEventError("target", "is required")
    for item in targets:
        if type(item) is not Target:
            raise InvalidEventError("target", "must be a Target, or a list of them")
        if item.type != kind:
            raise InvalidEventError("target.type", f"must be {kind} for this event")
    return targets


def _change(field: str, pair: Any) -> Change:
    if not isinstance(pair, tuple | list) or len(pair) != 2:
        raise InvalidEventError(field, "must be a pair: the old value and the new one")
    return Change(field=field, old=pair[0], new=pair[1])
