"""The shared code of the functions in ``orgtrail.events`` and in generated modules of your own."""

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
    # Import the producer when the first event is emitted, to keep importing this module cheap.
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
"""Marks a field that did not change. ``None`` means "no value" instead."""

REPLACED: Final = (REDACTED, REDACTED)
"""For a secret field that changed. Neither value has to be passed to the SDK."""

Outcome = Literal["success", "failure", "denied"]
OrgIds = Text | Iterable[Text]
Targets = Target | Iterable[Target]
Changed = tuple[Text, Text] | Unchanged
"""The old and new value of a field, or ``UNCHANGED``."""
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
    """Emit a listed event.

    ``kind`` is the required type of its targets. ``rest`` are the other arguments of ``emit``.

    Raises:
        InvalidEventError: an argument is invalid; the error names the field.
        AuditError: the event was not accepted; see ``AuditProducer.emit``.
    """
    targets = _targets(target, kind, about_actor)
    all_changes = [
        _change(field, pair) for field, pair in (fields or {}).items() if pair is not UNCHANGED
    ]
    if changes:
        # A field that the caller passes by name takes precedence over the one from diff.
        named = {change.field for change in all_changes}
        all_changes += [change for change in changes if change.field not in named]
    return _emit(
        producer,
        event,
        targets=targets,
        changes=all_changes,
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
    """Emit an event that has no typed function, by its key.

    If the catalogue does not list the event, its values are stored as ``[redacted]``.
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
        raise InvalidEventError(field, "must be a pair of the old and the new value")
    return Change(field=field, old=pair[0], new=pair[1])
