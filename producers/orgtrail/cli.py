"""``orgtrail emit``: send audit events from the shell."""

from __future__ import annotations

import logging
import sys
import time
from collections import Counter
from datetime import datetime
from typing import Any, NoReturn

import msgspec

from orgtrail.delivery.report import Delivery
from orgtrail.errors import AuditError, InvalidEventError
from orgtrail.event import Actor, Change, Context, Target
from orgtrail.producer import AuditProducer
from orgtrail.settings import ProducerSettings
from orgtrail.text import address
from orgtrail_schemas.reading import convert

_TROUBLE_AFTER_S = 1.5
_SILENCE_AFTER_S = 4.0


class _Line(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """The arguments of ``AuditProducer.emit``, as one JSON line on standard input."""

    event: str
    org_id: str | list[str]
    actor: Actor
    impersonator: Actor | None = None
    targets: list[Target] = []
    changes: list[Change] = []
    context: Context = Context()
    outcome: str = "success"
    metadata: dict[str, Any] = {}
    event_id: str | None = None
    occurred_at: datetime | None = None


def emit(
    event: str | None = None,
    *,
    org: list[str] | None = None,
    actor: str | None = None,
    actor_id: str = "",
    actor_name: str = "",
    actor_type: str = "user",
    target: list[str] | None = None,
    change: list[str] | None = None,
    metadata: list[str] | None = None,
    ip: str = "",
    user_agent: str = "",
    request_id: str = "",
    outcome: str = "success",
    event_id: str | None = None,
) -> int:
    """Send one event. Without EVENT, send one event per JSON line on standard input.

    The ORGTRAIL_ settings configure the connection to Kafka. Exits with 0 if every event was
    acknowledged by Kafka or is on disk, where this user's next command or service sends it.
    Otherwise exits with 1.

    Args:
        event: The event's key, such as user.login.
        org: The organization; repeatable.
        actor: The actor's email address.
        actor_id: The actor's id. Either an email address or an id is required.
        actor_name: The actor's name.
        actor_type: user, service_account, support or system.
        target: The target, as TYPE:ID or TYPE:EMAIL; repeatable.
        change: FIELD=OLD=>NEW, or FIELD=NEW; repeatable.
        metadata: KEY=VALUE; repeatable.
        ip: The client's IP address.
        user_agent: The client's user agent.
        request_id: The id of the request that caused the event.
        outcome: success, failure or denied.
        event_id: A UUIDv7. Pass the id of an earlier attempt to send the same event again.
    """
    tally: Counter[str] = Counter()

    def count(delivery: Delivery) -> None:
        tally[delivery.state] += 1

    # Silence the SDK's log lines, which are written for services: this command prints its own.
    log = logging.getLogger("orgtrail")
    level = log.level
    log.setLevel(logging.CRITICAL)
    try:
        settings = ProducerSettings.load()
        producer = AuditProducer(settings, on_delivery=count)
        if event is None:
            refused = _emit_lines(producer)
        else:
            line = _Line(
                event=event,
                org_id=org or [],
                actor=_actor(actor_type, actor_id, actor, actor_name),
                targets=[_target(text) for text in target or []],
                changes=[_change(text) for text in change or []],
                metadata=dict(_pair(text) for text in metadata or []),
                context=Context(ip=_address(ip), user_agent=user_agent, request_id=request_id),
                outcome=outcome,
                event_id=event_id,
            )
            print(_emit(producer, line))
            refused = 0
        _deliver(producer, settings.close_seconds)
        waiting, why = producer.spooled, producer.trouble
        producer.close(0)
    except AuditError as error:
        _fail(error)
    finally:
        log.setLevel(level)
    if event is None or waiting:
        print(
            f"{tally['acknowledged']} acknowledged, {waiting} spooled, {refused} refused",
            file=sys.stderr,
        )
    if waiting:
        print(
            f"orgtrail emit: Kafka at {settings.kafka_brokers} took no events for"
            f" {settings.topic} ({why}). The next orgtrail emit or service sends the events in"
            f" {settings.spool_folder()}",
            file=sys.stderr,
        )
    return 1 if refused or tally["set_aside"] or tally["lost"] else 0


def _deliver(producer: AuditProducer, seconds: float) -> None:
    """Wait for Kafka, and less long where it seems to be away: the events are on disk."""
    began = time.monotonic()
    while producer.spooled and (left := began + seconds - time.monotonic()) > 0:
        producer.flush(min(left, 0.25))
        elapsed = time.monotonic() - began
        nothing = producer.counters().acknowledged == 0
        if nothing and elapsed > (_TROUBLE_AFTER_S if producer.trouble else _SILENCE_AFTER_S):
            return


def _fail(error: AuditError) -> NoReturn:
    print(f"orgtrail emit: {error}", file=sys.stderr)
    raise SystemExit(1)


def _emit_lines(producer: AuditProducer) -> int:
    decode = msgspec.json.Decoder(_Line).decode
    refused = 0
    show_progress = sys.stderr.isatty()
    for number, text in enumerate(sys.stdin.buffer, 1):
        if not text.strip():
            continue
        try:
            _emit(producer, decode(text))
        except (msgspec.DecodeError, AuditError) as error:
            refused += 1
            print(f"line {number}: {error}", file=sys.stderr)
        if show_progress and number % 1000 == 0:
            print(f"\r{number} lines", end="", file=sys.stderr)
    if show_progress:
        print("\r", end="", file=sys.stderr)
    return refused


def _emit(producer: AuditProducer, line: _Line) -> str:
    arguments: dict[str, Any] = msgspec.structs.asdict(line)
    return producer.emit(arguments.pop("event"), **arguments)


def _actor(kind: str, identity: str, email: str | None, name: str) -> Actor:
    identities = {"id": identity, "email": email}
    return convert(
        {"type": kind, "name": name} | {key: value for key, value in identities.items() if value},
        Actor,
    )


def _address(text: str) -> str:
    # The SDK repairs addresses that come from clients. A mistyped option is an error instead.
    if text and address(text) is None:
        raise InvalidEventError("--ip", "must be an IPv4 or IPv6 address")
    return text


def _target(text: str) -> Target:
    kind, colon, who = text.partition(":")
    if not colon or not who:
        raise InvalidEventError("--target", "must be TYPE:ID or TYPE:EMAIL, such as user:bob@x")
    return Target(type=kind, email=who) if "@" in who else Target(type=kind, id=who)


def _change(text: str) -> Change:
    field, value = _pair(text, "--change", "FIELD=OLD=>NEW or FIELD=NEW")
    old, arrow, new = value.partition("=>")
    return Change(field=field, old=old, new=new) if arrow else Change(field=field, new=value)


def _pair(text: str, flag: str = "--metadata", form: str = "KEY=VALUE") -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise InvalidEventError(flag, f"must be {form}")
    return key, value
