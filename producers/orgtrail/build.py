"""Builds events from the arguments of ``emit``: validates, repairs and redacts them.

Programming errors raise an exception. Client input (addresses, user agents, ids, names) is
repaired instead, and the event's ``metadata`` lists the repairs.
"""

from __future__ import annotations

import sys
import uuid
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, TypeVar

from msgspec.structs import replace

from orgtrail.errors import InvalidEventError
from orgtrail.event import (
    ABSENT,
    EPOCH,
    MILLISECOND,
    Actor,
    Change,
    Context,
    Event,
    Record,
    Target,
    as_record,
)
from orgtrail.event_id import new_event_id
from orgtrail.text import Text, address, email, text
from orgtrail_schemas.catalogue import ACTOR_TYPES, OUTCOMES, REDACTED, Catalogue, catalogue
from orgtrail_schemas.limits import (
    ADDRESS_KEY,
    CLOCK_SKEW,
    EVENT_KEY,
    EVENT_LENGTH,
    LIST_LENGTH,
    METADATA_KEY_LENGTH,
    METADATA_KEYS,
    METADATA_VALUE_LENGTH,
    ORG_ID,
    ORG_ID_RULE,
    REPAIRED_KEY,
    RETENTION,
    TEXT_LENGTH,
)
from orgtrail_schemas.repair import shorten
from orgtrail_schemas.secret_values import may_hold_secret, redact_values

T = TypeVar("T")

_AHEAD_MS, _BEHIND_MS = CLOCK_SKEW // MILLISECOND, RETENTION // MILLISECOND
_TIME_RULE = (
    f"must be between {RETENTION.days} days ago and {CLOCK_SKEW.seconds // 60} minutes from now"
)
_LAST_MS = (datetime.max.replace(tzinfo=UTC) - EPOCH) // MILLISECOND
_NOWHERE = Context()
_join = "".join


def build_event(
    event: str,
    *,
    org_id: Text | Iterable[Text],
    event_id: uuid.UUID | str,
    now: datetime,
    **details: Any,
) -> list[Record]:
    """Build the Avro records of one event, one per organization.

    ``details`` are the other arguments of ``make_event``.

    Raises:
        InvalidEventError: an argument is invalid; the error names the field.
    """
    events = make_event(event, org_id=org_id, event_id=event_id, now_ms=_millis(now), **details)
    return [as_record(one) for one in events]


def make_event(
    event: str,
    *,
    org_id: Text | Iterable[Text],
    actor: Actor,
    impersonator: Actor | None = None,
    targets: Iterable[Target] | Target | None = (),
    changes: Iterable[Change] | Change | None = (),
    context: Context | None = None,
    outcome: str = "success",
    metadata: Mapping[str, Text] | None = None,
    event_id: Any = None,
    occurred_at: datetime | None = None,
    service: str = "",
    now_ms: int,
    known: Catalogue | None = None,
) -> list[Event]:
    """Build the event, one copy per organization: validated, repaired, completed and redacted.

    ``occurred_at`` defaults to the time inside a UUIDv7 ``event_id``, so that a retry with the
    same id sends the same record. ``known`` is the catalogue that declares secrets. It defaults to
    the catalogue of this version. ``now_ms`` is the current time in milliseconds since 1970.

    Raises:
        InvalidEventError: an argument is invalid; the error names the field.
    """
    known = known or catalogue()
    repairs: list[str] = []
    identity, moment = _identity(event_id, occurred_at, now_ms)
    listed = known.events.get(event) if type(event) is str else None
    if listed is None:
        _check_key(event)
    if outcome not in OUTCOMES:
        raise InvalidEventError("outcome", f"must be one of {', '.join(OUTCOMES)}")
    who = _actor("actor", actor, repairs)
    targeted: list[Target | Actor] = []
    for target in _listed("targets", targets, Target):
        targeted.append(_person("targets", len(targeted), target, repairs))
    if not targeted and listed is not None and listed.about_actor:
        targeted = [who]
    changed: list[Change] = []
    for change in _listed("changes", changes, Change):
        changed.append(_change(event, len(changed), change, known, repairs))
    details = _metadata(event, metadata, known, repairs) if metadata else {}
    orgs = _orgs(org_id)
    built = Event(
        event_id=identity,
        event=event,
        occurred_at=moment,
        org_id=orgs[0],
        actor=who,
        impersonator=(
            None if impersonator is None else _actor("impersonator", impersonator, repairs)
        ),
        targets=targeted,
        changes=changed,
        context=_context(context, service, details, repairs),
        outcome=outcome,
        metadata=details,
    )
    if repairs:
        details[REPAIRED_KEY] = "; ".join(repairs)[:METADATA_VALUE_LENGTH]
    if len(orgs) == 1:
        return [built]
    # Copy the metadata for each event, because a before_send hook may modify it.
    return [replace(built, org_id=org, metadata=dict(details)) for org in orgs]


def _check_key(event: Any) -> None:
    if type(event) is not str or len(event) > EVENT_LENGTH or not EVENT_KEY.fullmatch(event):
        raise InvalidEventError("event", "must be a key such as user.login, in lower case")


# The steps below first check all texts of a struct at once. If their concatenation is ASCII and no
# longer than a single text may be, then no text needs repair and the struct is sent unchanged.
# The join raises TypeError when one of the values is not a string.


def _actor(field: str, actor: Actor, repairs: list[str]) -> Actor:
    if type(actor) is not Actor:
        raise InvalidEventError(field, "must be an Actor")
    if actor.type not in ACTOR_TYPES:
        raise InvalidEventError(f"{field}.type", f"must be one of {', '.join(ACTOR_TYPES)}")
    if actor.id is ABSENT and actor.email is ABSENT and actor.type != "system":
        raise InvalidEventError(field, "needs an id or an email")
    who = _person(field, None, actor, repairs)
    if not who.id and not who.email and who.type != "system":
        repairs.append(f"{field}: neither id nor email")
        return replace(who, id="unknown")
    return who


P = TypeVar("P", Actor, Target)


def _person(field: str, index: int | None, who: P, repairs: list[str]) -> P:
    try:
        mail: Any = who.email
        texts = _join((who.type, who.id, who.name, mail))  # type: ignore[arg-type]
        plain = texts.isascii() and len(texts) <= TEXT_LENGTH
        if plain and who.type and (not mail or mail.islower()):
            return who
    except TypeError:
        pass
    field = field if index is None else f"{field}[{index}]"
    if not who.type or not isinstance(who.type, str):
        raise InvalidEventError(f"{field}.type", "is required")
    return replace(
        who,
        type=text(who.type, TEXT_LENGTH, f"{field}.type", repairs),
        id=text(who.id, TEXT_LENGTH, f"{field}.id", repairs),
        email=email(who.email, TEXT_LENGTH, f"{field}.email", repairs),
        name=text(who.name, TEXT_LENGTH, f"{field}.name", repairs),
    )


def _change(event: str, index: int, change: Change, known: Catalogue, repairs: list[str]) -> Change:
    name, old, new = change.field, change.old, change.new
    if not name or not isinstance(name, str):
        raise InvalidEventError(f"changes[{index}].field", "is required")
    if known.change_sensitivity(event, name) == "secret":
        # Keep None: the absence of a value is not secret.
        old, new = old if old is None else REDACTED, new if new is None else REDACTED
        change = Change(field=name, old=old, new=new)
    try:
        texts = _join((name, "" if old is None else old, "" if new is None else new))  # type: ignore[arg-type]
        if texts.isascii() and len(texts) <= TEXT_LENGTH and not may_hold_secret(texts):
            return change
    except TypeError:
        pass
    field = f"changes[{index}]"
    return Change(
        field=text(name, TEXT_LENGTH, f"{field}.field", repairs),
        old=None if old is None else _shown(old, TEXT_LENGTH, f"{field}.old", repairs),
        new=None if new is None else _shown(new, TEXT_LENGTH, f"{field}.new", repairs),
    )


def _context(
    context: Context | None, service: str, details: dict[str, str], repairs: list[str]
) -> Context:
    origin = _NOWHERE if context is None else context
    if type(origin) is not Context:
        raise InvalidEventError("context", "must be a Context")
    try:
        texts = _join(
            (
                origin.user_agent,
                origin.request_id,
                origin.session_id,
                origin.service or service,
                origin.trace_id,
            )  # type: ignore[arg-type]
        )
        plain = texts.isascii() and len(texts) <= TEXT_LENGTH and not may_hold_secret(texts)
    except TypeError:
        plain = False
    ip = _address(origin.ip, details, repairs) if origin.ip else ""
    if plain:
        if ip == origin.ip and (origin.service or not service):
            return origin
        return Context(
            ip=ip,
            user_agent=origin.user_agent,
            request_id=origin.request_id,
            session_id=origin.session_id,
            service=origin.service or service,
            trace_id=origin.trace_id,
        )
    return Context(
        ip=ip,
        user_agent=_shown(origin.user_agent, TEXT_LENGTH, "context.user_agent", repairs),
        request_id=_shown(origin.request_id, TEXT_LENGTH, "context.request_id", repairs),
        session_id=_shown(origin.session_id, TEXT_LENGTH, "context.session_id", repairs),
        service=_shown(origin.service or service, TEXT_LENGTH, "context.service", repairs),
        trace_id=_shown(origin.trace_id, TEXT_LENGTH, "context.trace_id", repairs),
    )


def _shown(value: Any, length: int, field: str, repairs: list[str]) -> str:
    """Convert to text, without credentials; redacted before it is cut, so that no part is left."""
    whole = text(value, sys.maxsize, field, repairs)
    redacted = redact_values(whole)
    if redacted != whole:
        repairs.append(f"{field}: credential redacted")
    return shorten(redacted, length, field, repairs)


def _address(value: Text, details: dict[str, str], repairs: list[str]) -> str:
    raw = text(value, TEXT_LENGTH, "context.ip", repairs)
    if not raw:
        return ""
    canonical = address(raw)
    if canonical is None:
        repairs.append("context.ip: not an address")
        details[ADDRESS_KEY] = raw[:METADATA_VALUE_LENGTH]
        return ""
    return canonical


def _metadata(
    event: str, metadata: Mapping[str, Text], known: Catalogue, repairs: list[str]
) -> dict[str, str]:
    if type(metadata) is not dict and not isinstance(metadata, Mapping):
        raise InvalidEventError("metadata", "must be a mapping of strings")
    if len(metadata) > METADATA_KEYS:
        raise InvalidEventError("metadata", f"must have at most {METADATA_KEYS} keys")
    details: dict[str, str] = {}
    for key, value in metadata.items():
        # type() is faster than isinstance(), and nearly every key is exactly a str.
        if (
            not (type(key) is str or isinstance(key, str))
            or not 0 < len(key) <= METADATA_KEY_LENGTH
        ):
            raise InvalidEventError(
                "metadata", f"keys must be strings of 1 to {METADATA_KEY_LENGTH} characters"
            )
        name = key if key.isascii() else text(key, METADATA_KEY_LENGTH, "metadata", repairs)
        if known.metadata_sensitivity(event, name) == "secret":
            details[name] = REDACTED
        elif (
            type(value) is str
            and len(value) <= METADATA_VALUE_LENGTH
            and value.isascii()
            and not may_hold_secret(value)
        ):
            details[name] = value
        else:
            details[name] = _shown(value, METADATA_VALUE_LENGTH, f"metadata.{name}", repairs)
    return details


def _listed(field: str, items: Iterable[T] | T | None, kind: type[T]) -> Sequence[T]:
    """Return the items as a list. ``None`` means no items; a single item may be passed bare."""
    if items is None or items == ():
        return ()
    if type(items) is kind:
        return (items,)
    if type(items) is not list and type(items) is not tuple:
        try:
            items = list(items)  # type: ignore[arg-type]
        except TypeError:
            raise InvalidEventError(field, f"must be a list of {kind.__name__}") from None
    if len(items) > LIST_LENGTH:
        raise InvalidEventError(field, f"must have at most {LIST_LENGTH} items")
    for index, item in enumerate(items):
        if type(item) is not kind:
            raise InvalidEventError(f"{field}[{index}]", f"must be a {kind.__name__}")
    return items


def _identity(event_id: Any, occurred_at: datetime | None, now_ms: int) -> tuple[str, int]:
    """Return the id as text and the event's time in milliseconds; create an id when it is None."""
    if event_id is None:
        event_id = new_event_id()
        if occurred_at is None:
            # The first 48 bits of a UUIDv7 are the time in milliseconds (RFC 9562, section 5.7).
            id_text = str(event_id)
            return id_text, int(id_text[:8] + id_text[9:13], 16)
    if isinstance(event_id, str):
        try:
            event_id = uuid.UUID(event_id)
        except ValueError:
            raise InvalidEventError("event_id", "must be a UUID") from None
    try:
        version, number = event_id.version, event_id.int
    except AttributeError:
        raise InvalidEventError("event_id", "must be a UUID") from None
    if occurred_at is None:
        if version != 7:
            raise InvalidEventError("occurred_at", "is required when event_id is not a UUIDv7")
        moment = number >> 80
        if moment > _LAST_MS:
            raise InvalidEventError("event_id", "contains a time after the year 9999")
    elif isinstance(occurred_at, datetime) and occurred_at.utcoffset() is not None:
        moment = _millis(occurred_at)
    else:
        raise InvalidEventError("occurred_at", "must be a datetime with a time zone")
    if not now_ms - _BEHIND_MS <= moment <= now_ms + _AHEAD_MS:
        raise InvalidEventError("occurred_at", _TIME_RULE)
    return str(event_id), moment


def _millis(moment: datetime) -> int:
    return (moment - EPOCH) // MILLISECOND


def _orgs(org_id: Text | Iterable[Text]) -> Sequence[str]:
    if type(org_id) is str:
        _check_org(org_id)
        return (org_id,)
    if org_id is None:
        raise InvalidEventError("org_id", "is required")
    single = isinstance(org_id, str) or not isinstance(org_id, Iterable)
    try:
        items: list[Any] = [org_id] if single else list(org_id)  # type: ignore[arg-type]
    except TypeError:
        raise InvalidEventError("org_id", ORG_ID_RULE) from None
    if len(items) > LIST_LENGTH:
        raise InvalidEventError("org_id", f"must have at most {LIST_LENGTH} organizations")
    if any(isinstance(org, list | tuple | dict | set) for org in items):
        raise InvalidEventError("org_id", ORG_ID_RULE)
    orgs = list(dict.fromkeys(text(org, TEXT_LENGTH, "org_id", []) for org in items))
    if not orgs:
        raise InvalidEventError("org_id", "is required")
    for org in orgs:
        _check_org(org)
    return orgs


@lru_cache(4_096)
def _check_org(org: str) -> None:
    if not ORG_ID.fullmatch(org):
        raise InvalidEventError("org_id", ORG_ID_RULE)
