"""Sends a realistic week of events for two organizations through the SDK."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from uuid_utils import uuid7

from orgtrail import Actor, AuditProducer, Change, Context, ProducerSettings, Target
from orgtrail.errors import AuditError
from orgtrail_deploy.sample.week import send_week
from orgtrail_schemas.catalogue import examples
from orgtrail_schemas.reading import convert

EVENTS_PER_ORG = 600

_PEOPLE = {
    "acme": ("Alice Moreau", "Bob Okafor", "Chen Wei", "Dana Levi", "Emil Novak", "Farah Aziz"),
    "globex": ("Hank Scorpio", "Ines Duarte", "Jonas Berg", "Keiko Mori"),
}
_AGENTS = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko)"
    " Chrome/142.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko)"
    " Version/18.6 Safari/605.1.15",
    "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like"
    " Gecko) Version/18.6 Mobile/15E148 Safari/604.1",
)
# Addresses of well-known public services in different countries. None belongs to a person.
_ADDRESSES = ("8.8.8.8", "1.1.1.1", "9.9.9.9", "185.12.64.1", "80.67.169.12", "101.101.101.101")
_OFTEN = ("user.login",) * 12 + ("user.logout",) * 6 + ("org.user.role.updated",) * 2


def emit_demo(settings: ProducerSettings, now: datetime) -> int:
    """Emit the week that ends at ``now`` through the sample service. Return how many events.

    Raises:
        AuditError: Kafka did not acknowledge the events.
    """
    with AuditProducer(settings) as producer:
        event_ids = send_week(producer, demo_events(now))
        if producer.flush(30):
            raise AuditError(f"Kafka does not accept the events: {producer.trouble}")
    return len(event_ids)


def demo_events(now: datetime) -> Iterator[dict[str, Any]]:
    """The arguments of each ``emit`` call. The same ``now`` gives the same events."""
    chance = random.Random(now.timestamp())  # noqa: S311 - sample data, not a secret
    keys = list(examples())
    for org, people in _PEOPLE.items():
        for index in range(EVENTS_PER_ORG):
            moment = _office_hour(now, chance)
            key = chance.choice((*_OFTEN, *keys))
            if key.startswith("org.audit-log."):
                continue
            yield _event(org, people, key, moment, index, chance)


def _office_hour(now: datetime, chance: random.Random) -> datetime:
    while True:
        moment = now - timedelta(seconds=chance.uniform(60, 7 * 86_400))
        on_a_weekday = moment.weekday() < 5 or chance.random() < 0.2
        at_daytime = 7 <= moment.hour < 20 or chance.random() < 0.1
        if on_a_weekday and at_daytime:
            return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def _event(
    org: str, people: tuple[str, ...], key: str, at: datetime, index: int, chance: random.Random
) -> dict[str, Any]:
    example = examples()[key]
    someone, other = chance.sample(people, 2)
    actor = _person(org, someone)
    targets = [convert(target, Target) for target in example.get("targets", [])]
    if targets and targets[0].type == "user":
        target = _person(org, other)
        targets = [Target(type="user", id=target.id, email=target.email, name=target.name)]
    failed = key == "user.login" and chance.random() < 0.08
    device = people.index(someone)
    return {
        "event": key,
        "org_id": org,
        "actor": actor,
        "impersonator": (
            Actor(type="support", id="s-7", email="sam@support.example", name="Sam from support")
            if chance.random() < 0.01
            else None
        ),
        "targets": targets,
        "changes": [convert(change, Change) for change in example.get("changes", [])],
        "metadata": example.get("metadata", {})
        | ({"failure_reason": "wrong password"} if failed else {}),
        "outcome": "failure" if failed else "success",
        "context": Context(
            ip=_ADDRESSES[device % len(_ADDRESSES)],
            user_agent=_AGENTS[device % len(_AGENTS)],
            request_id=f"req-{org}-{index:04d}",
            session_id=f"ses-{device}-{at:%j}",
            service="billing" if ".subscription." in key or ".payment-" in key else "accounts",
        ),
        "event_id": _event_id(at),
        "occurred_at": at,
    }


def _person(org: str, name: str) -> Actor:
    first = name.split(maxsplit=1)[0].lower()
    return Actor(id=f"u-{org}-{first}", email=f"{first}@{org}.example", name=name)


def _event_id(at: datetime) -> str:
    return str(uuid7(nanoseconds=int(at.timestamp() * 1000) * 1_000_000))
