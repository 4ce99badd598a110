"""From what a caller says to the records that are sent: validated, completed, without secrets."""

from __future__ import annotations

import ipaddress
import re
import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from orgtrail.errors import InvalidEventError
from orgtrail_schemas.catalogue import ACTOR_TYPES, ORG_ID, OUTCOMES, REDACTED, catalogue

Record = dict[str, Any]

METADATA_KEYS = 50
METADATA_KEY_LENGTH = 64
METADATA_VALUE_LENGTH = 1_024
TEXT_LENGTH = 4_096
LIST_LENGTH = 1_000

_EVENT_KEY = re.compile(r"[a-z0-9]+([._-][a-z0-9]+)*")
_ORG_ID_RULE = "must be 1 to 128 letters, digits or . _ : @ -, beginning with a letter or digit"
_AHEAD = timedelta(minutes=5)
_BEHIND = timedelta(days=90)


class Actor(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whose account acted. ``type`` is user, service_account, support or system."""

    type: str = "user"
    id: str = ""
    email: str = ""
    name: str = ""


class Target(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who or what was acted upon. ``type``: user, organization, invitation, and so on."""

    type: str
    id: str = ""
    email: str = ""
    name: str = ""


class Change(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One changed field. ``None`` is "there was none", which the empty text is not."""

    field: str
    old: str | None = None
    new: str | None = None


class Context(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """From where it came. ``session_id`` names a session; it is never its token."""

    ip: str = ""
    user_agent: str = ""
    request_id: str = ""
    session_id: str = ""
    service: str = ""
    trace_id: str = ""


def new_event_id() -> uuid.UUID:
    """A UUIDv7 (RFC 9562, section 5.7) of this moment."""
    from uuid_utils.compat import uuid7

    made: uuid.UUID = uuid7()
    return made


def build_event(
    event: str,
    *,
    org_id: str | Sequence[str],
    actor: Actor,
    impersonator: Actor | None = None,
    targets: Sequence[Target] = (),
    changes: Sequence[Change] = (),
    context: Context | None = None,
    outcome: str = "success",
    metadata: Mapping[str, str] | None = None,
    event_id: uuid.UUID | str,
    occurred_at: datetime | None = None,
    service: str = "",
    now: datetime,
) -> list[Record]:
    """The records of one event, one for each organization, in the form of the Avro schema.

    ``occurred_at`` defaults to the time inside a UUIDv7 ``event_id``, so that a caller who retries
    with the same id sends the same record. Secrets are redacted by the catalogue.

    Raises:
        InvalidEventError: a value cannot be sent; the error names its field.
    """
    identity = _uuid(event_id)
    moment = _moment(identity, occurred_at, now)
    origin = context or Context()
    if service and not origin.service:
        origin = msgspec.structs.replace(origin, service=service)
    _check_event(event)
    _check_actor("actor", actor)
    if impersonator is not None:
        _check_actor("impersonator", impersonator)
    _check_lists(targets, changes)
    _check_texts("context", msgspec.structs.asdict(origin))
    _check_ip(origin.ip)
    if outcome not in OUTCOMES:
        raise InvalidEventError("outcome", f"must be one of {', '.join(OUTCOMES)}")
    listed = catalogue().events.get(event)
    if not targets and listed is not None and listed.about_actor:
        targets = [Target(type=actor.type, id=actor.id, email=actor.email, name=actor.name)]
    record: Record = {
        "event_id": str(identity),
        "event": event,
        "occurred_at": moment,
        "actor": msgspec.structs.asdict(actor),
        "impersonator": None if impersonator is None else msgspec.structs.asdict(impersonator),
        "targets": [msgspec.structs.asdict(target) for target in targets],
        "changes": _redacted_changes(event, changes),
        "context": msgspec.structs.asdict(origin),
        "outcome": outcome,
        "metadata": _redacted_metadata(event, metadata or {}),
    }
    return [{**record, "org_id": org} for org in _orgs(org_id)]


def _redacted_changes(event: str, changes: Sequence[Change]) -> list[Record]:
    known = catalogue()
    out = []
    for change in changes:
        record = msgspec.structs.asdict(change)
        if known.change_sensitivity(event, change.field) == "secret":
            # None stays: that there was no value before is no secret.
            record["old"] = None if change.old is None else REDACTED
            record["new"] = None if change.new is None else REDACTED
        out.append(record)
    return out


def _redacted_metadata(event: str, metadata: Mapping[str, str]) -> dict[str, str]:
    if len(metadata) > METADATA_KEYS:
        raise InvalidEventError("metadata", f"at most {METADATA_KEYS} keys")
    known = catalogue()
    out = {}
    for key, value in metadata.items():
        if not isinstance(key, str) or not 0 < len(key) <= METADATA_KEY_LENGTH:
            raise InvalidEventError("metadata", f"keys are texts of 1 to {METADATA_KEY_LENGTH}")
        _check_text(f"metadata.{key}", value, METADATA_VALUE_LENGTH)
        secret = known.metadata_sensitivity(event, key) == "secret"
        out[key] = REDACTED if secret else value
    return out


def _uuid(value: uuid.UUID | str) -> uuid.UUID:
    if isinstance(value, uuid.UUID):
        return value
    try:
        return uuid.UUID(value)
    except (ValueError, AttributeError, TypeError):
        raise InvalidEventError("event_id", "must be a UUID") from None


def _moment(identity: uuid.UUID, occurred_at: datetime | None, now: datetime) -> datetime:
    if occurred_at is None:
        if identity.version != 7:
            raise InvalidEventError("occurred_at", "is required when event_id is not a UUIDv7")
        occurred_at = datetime.fromtimestamp((identity.int >> 80) / 1000, UTC)
    if not isinstance(occurred_at, datetime) or occurred_at.tzinfo is None:
        raise InvalidEventError("occurred_at", "must be a datetime with a time zone")
    if occurred_at > now + _AHEAD or occurred_at < now - _BEHIND:
        raise InvalidEventError(
            "occurred_at", "must lie between 90 days ago and 5 minutes from now"
        )
    return occurred_at.astimezone(UTC)


def _orgs(org_id: str | Sequence[str]) -> list[str]:
    orgs = [org_id] if isinstance(org_id, str) else list(dict.fromkeys(org_id))
    if not orgs:
        raise InvalidEventError("org_id", "is required")
    for org in orgs:
        if not isinstance(org, str) or not ORG_ID.fullmatch(org):
            raise InvalidEventError("org_id", _ORG_ID_RULE)
    return orgs


def _check_event(event: str) -> None:
    if not isinstance(event, str) or len(event) > 128 or not _EVENT_KEY.fullmatch(event):
        raise InvalidEventError("event", "must be a key such as user.login, in lower case")


def _check_actor(field: str, actor: Actor) -> None:
    if not isinstance(actor, Actor):
        raise InvalidEventError(field, "must be an Actor")
    if actor.type not in ACTOR_TYPES:
        raise InvalidEventError(f"{field}.type", f"must be one of {', '.join(ACTOR_TYPES)}")
    if actor.type != "system" and not (actor.id or actor.email):
        raise InvalidEventError(field, "needs an id or an email")
    _check_texts(field, msgspec.structs.asdict(actor))


def _check_lists(targets: Sequence[Target], changes: Sequence[Change]) -> None:
    for field, items, kind in (("targets", targets, Target), ("changes", changes, Change)):
        if len(items) > LIST_LENGTH:
            raise InvalidEventError(field, f"at most {LIST_LENGTH}")
        for index, item in enumerate(items):
            if not isinstance(item, kind):
                raise InvalidEventError(f"{field}[{index}]", f"must be a {kind.__name__}")
            _check_texts(f"{field}[{index}]", msgspec.structs.asdict(item))
    for index, target in enumerate(targets):
        if not target.type:
            raise InvalidEventError(f"targets[{index}].type", "is required")
    for index, change in enumerate(changes):
        if not change.field:
            raise InvalidEventError(f"changes[{index}].field", "is required")


def _check_texts(field: str, values: Mapping[str, Any]) -> None:
    for name, value in values.items():
        if value is not None:
            _check_text(f"{field}.{name}", value, TEXT_LENGTH)


def _check_text(field: str, value: Any, length: int) -> None:
    if not isinstance(value, str):
        raise InvalidEventError(field, "must be text")
    if len(value) > length:
        raise InvalidEventError(field, f"is longer than {length} characters")
    if not value.isascii() and any("\ud800" <= c <= "\udfff" for c in value):
        raise InvalidEventError(field, "is not valid Unicode: it has a lone surrogate")


def _check_ip(ip: str) -> None:
    if not ip:
        return
    try:
        ipaddress.ip_address(ip)
    except ValueError:
        raise InvalidEventError("context.ip", "must be an IPv4 or IPv6 address") from None
