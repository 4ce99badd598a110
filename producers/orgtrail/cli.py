"""``orgtrail emit``: send audit events from the shell."""

from __future__ import annotations

import logging
import sys
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


class _Line(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """One line of standard input: the arguments of ``AuditProducer.emit``."""

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
    """Send one event, or with no EVENT one for each JSON line of standard input.

    Connects as the ORGTRAIL_ settings say. Exits with 0 when every event was acknowledged by
    Kafka or waits on disk for the next command or service of this user, and with 1 otherwise.

    Args:
        event: The event's key, such as user.login.
        org: The organization; repeatable.
        actor: Email of who acted.
        actor_id: Id of who acted; an email or an id is needed.
        actor_name: Name of who acted.
        actor_type: user, service_account, support or system.
        target: TYPE:ID or TYPE:EMAIL of what was acted upon; repeatable.
        change: FIELD=OLD=>NEW, or FIELD=NEW; repeatable.
        metadata: KEY=VALUE; repeatable.
        ip: Address that it came from.
        user_agent: User agent that it came from.
        request_id: The request that caused it.
        outcome: success, failure or denied.
        event_id: A UUIDv7, to send the same event again.
    """
    tally: Counter[str] = Counter()

    def count(delivery: Delivery) -> None:
        tally[delivery.state] += 1

    # What the SDK logs for a service is told here in this command's own words.
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
        producer.flush(settings.close_seconds)
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
            f"orgtrail emit: Kafka at {settings.kafka_brokers} does not answer ({why}): what waits"
            f" in {settings.spool_folder()} is sent by the next orgtrail emit or service",
            file=sys.stderr,
        )
    return 1 if refused or tally["set_aside"] or tally["lost"] else 0


def _fail(error: AuditError) -> NoReturn:
    print(f"orgtrail emit: {error}", file=sys.stderr)
    raise SystemExit(1)


def _emit_lines(producer: AuditProducer) -> int:
    decode = msgspec.json.Decoder(_Line).decode
    refused = 0
    watching = sys.stderr.isatty()
    for number, text in enumerate(sys.stdin.buffer, 1):
        if not text.strip():
            continue
        try:
            _emit(producer, decode(text))
        except (msgspec.DecodeError, AuditError) as error:
            refused += 1
            print(f"line {number}: {error}", file=sys.stderr)
        if watching and number % 1000 == 0:
            print(f"\r{number} lines", end="", file=sys.stderr)
    if watching:
        print("\r", end="", file=sys.stderr)
    return refused


def _emit(producer: AuditProducer, line: _Line) -> str:
    arguments: dict[str, Any] = msgspec.structs.asdict(line)
    return producer.emit(arguments.pop("event"), **arguments)


def _actor(kind: str, identity: str, email: str | None, name: str) -> Actor:
    given = {"id": identity, "email": email}
    return msgspec.convert(
        {"type": kind, "name": name} | {key: value for key, value in given.items() if value}, Actor
    )


def _address(text: str) -> str:
    # What a service is sent is repaired; what a person types wrong is said.
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
