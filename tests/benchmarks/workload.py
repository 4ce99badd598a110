"""The events that every benchmark uses: a mix of the 36 types, skewed over organizations."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import NamedTuple

import msgspec
from uuid_utils import uuid7

from orgtrail import Actor, Change, Context, Target
from orgtrail.build import build_event
from orgtrail_schemas.catalogue import catalogue, examples
from orgtrail_schemas.codec import encode
from orgtrail_schemas.event_schema import current_schema

ORGANIZATIONS = 200
USERS = 5_000
BASE = 20_000
_LIVE = timedelta(minutes=10)

_AGENTS = tuple(
    f"Mozilla/5.0 ({system}) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{v}.0.0.0 Safari/537.36"
    for system in (
        "Windows NT 10.0; Win64; x64",
        "Macintosh; Intel Mac OS X 10_15_7",
        "X11; Linux x86_64",
        "Linux; Android 10; K",
    )
    for v in range(120, 145)
)
_ID = slice(11, 47)
"""Where the event id stands in a framed event: after ten bytes of header and one of length."""


class Message(NamedTuple):
    """One Kafka message."""

    key: bytes
    value: bytes


def messages(count: int, now: datetime, spread: timedelta | None = None) -> Iterator[Message]:
    """So many events with ids of their own, the same mix for the same count.

    They occurred in the last minutes, as the events of a running system do, so that all fall into
    one week's partition; with ``spread`` over so much time.

    The call makes the first ``BASE`` at 40 µs each; what is then taken costs 1 µs.
    """
    return _with_ids(_base(min(count, BASE), now, spread or _LIVE), count)


def _with_ids(base: list[Message], count: int) -> Iterator[Message]:
    for index in range(count):
        key, value = base[index % len(base)]
        changed = bytearray(value)
        changed[_ID] = str(uuid7()).encode()
        yield Message(key, bytes(changed))


def _base(count: int, now: datetime, spread: timedelta) -> list[Message]:
    chance = random.Random(42)
    keys = [event.key for event in catalogue().events.values() if not event.own]
    weights = [10 if key in ("user.login", "user.logout") else 1 for key in keys]
    return [
        _message(chance.choices(keys, weights)[0], now, spread, chance, number)
        for number in range(count)
    ]


def _message(
    key: str, now: datetime, spread: timedelta, chance: random.Random, number: int
) -> Message:
    example = examples()[key]
    org = f"org-{min(int(chance.paretovariate(0.6)), ORGANIZATIONS)}"
    user = chance.randrange(USERS)
    record = build_event(
        key,
        org_id=org,
        actor=Actor(id=f"u-{user}", email=f"user{user}@{org}.example", name=f"User {user}"),
        targets=msgspec.convert(example.get("targets", []), list[Target]),
        changes=msgspec.convert(example.get("changes", []), list[Change]),
        metadata=example.get("metadata", {}),
        context=Context(
            ip=f"{chance.randrange(1, 223)}.{user % 250}.{number % 250}.1",
            user_agent=chance.choice(_AGENTS),
            request_id=f"req-{number}",
            session_id=f"ses-{user}",
            service="accounts",
        ),
        event_id=str(uuid7()),
        occurred_at=now - spread * chance.random(),
        now=now,
    )[0]
    return Message(org.encode(), encode(current_schema(), record))
