"""Creates a week of events by sending requests to the sample service."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

import httpx
import msgspec
from uuid_utils import uuid7

from orgtrail import AuditProducer
from orgtrail_deploy.sample.app import create_app

_PASSWORD = "correct horse battery staple"  # noqa: S105 - for fictional people
_BEFORE = timedelta(minutes=1)

Event = dict[str, Any]


def send_week(producer: AuditProducer, events: Iterable[Event]) -> list[str]:
    """Emit these events through the service with ``producer``. Return the IDs of all events.

    ``events`` are arguments of ``emit`` in the form that ``demo_events`` yields. Each person signs
    up before their first event, and signs in before an event that requires it. The service
    therefore emits more events than ``events`` contains.
    """
    return asyncio.run(_send_week(producer, list(events)))


async def _send_week(producer: AuditProducer, events: list[Event]) -> list[str]:
    events.sort(key=lambda event: event["occurred_at"])
    transport = httpx.ASGITransport(create_app(producer, demonstration=True))  # type: ignore[arg-type]
    async with httpx.AsyncClient(transport=transport, base_url="http://accounts") as client:
        week = _Week(client)
        for event in _first_of_each_person(events):
            await week.sign_up(event)
        for event in events:
            await week.send(event)
    return week.event_ids


def _first_of_each_person(events: list[Event]) -> list[Event]:
    first: dict[str, Event] = {}
    for event in events:
        first.setdefault(event["actor"].email, event)
    # They sign up at the beginning, because others may act upon them before they act themselves.
    return [
        event | {"occurred_at": events[0]["occurred_at"] - (number + 2) * _BEFORE}
        for number, event in enumerate(first.values())
    ]


class _Week:
    """The people of the week. Each of them has a session of their own."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client
        self._tokens: dict[str, str] = {}
        self._roles: dict[str, str] = {}
        self.event_ids: list[str] = []

    async def sign_up(self, event: Event) -> None:
        actor = event["actor"]
        body = {"org_id": event["org_id"], "email": actor.email, "name": actor.name}
        earlier = {"event_id": None, "impersonator": None}
        answer = await self._ask(
            event | earlier, "POST", "/sign-up", body | {"password": _PASSWORD}
        )
        self._tokens[actor.email] = answer["token"]

    async def send(self, event: Event) -> None:
        key, person = event["event"], event["actor"].email
        if key == "user.login":
            await self._sign_in(event)
            return
        if person not in self._tokens:
            before = {"occurred_at": event["occurred_at"] - _BEFORE, "event_id": None}
            await self._sign_in(event | before | {"outcome": "success"})
        if key == "user.logout":
            await self._ask(event, "DELETE", "/session")
            del self._tokens[person]
        elif key == "org.invitation.sent":
            body = {"email": event["targets"][0].email, "role": event["metadata"]["role"]}
            await self._ask(event, "POST", "/invitations", body)
        elif key == "org.user.role.updated" and event["targets"][0].email in self._tokens:
            await self._change_role(event)
        else:
            await self._record(event)

    async def _sign_in(self, event: Event) -> None:
        person = event["actor"].email
        right = event["outcome"] == "success"
        body = {"email": person, "password": _PASSWORD if right else "a wrong one"}
        answer = await self._ask(event, "POST", "/sign-in", body)
        if right:
            self._tokens[person] = answer["token"]

    async def _change_role(self, event: Event) -> None:
        person = event["targets"][0].email
        role = "member" if self._roles.get(person, "member") == "admin" else "admin"
        self._roles[person] = role
        await self._ask(event, "PUT", f"/people/{person}/role", {"role": role})

    async def _record(self, event: Event) -> None:
        body = {
            field: msgspec.to_builtins(event[field])
            for field in ("event", "targets", "changes", "metadata")
        }
        body["service"] = event["context"].service
        await self._ask(event, "POST", "/activity", body)

    async def _ask(self, event: Event, method: str, path: str, body: Any = None) -> Any:
        context, at = event["context"], event["occurred_at"]
        headers = {
            "user-agent": context.user_agent,
            "x-forwarded-for": context.ip,
            "x-request-id": context.request_id,
            "x-occurred-at": at.isoformat(),
            "x-event-id": str(event["event_id"] or _event_id(at)),
        }
        if event["actor"].email in self._tokens:
            headers["authorization"] = f"Bearer {self._tokens[event['actor'].email]}"
        if event["impersonator"] is not None:
            headers["x-support"] = event["impersonator"].id
        answer = await self._client.request(method, path, headers=headers, json=body)
        if answer.status_code != 401:
            answer.raise_for_status()
        reply = answer.json()
        self.event_ids.append(reply.get("event_id") or reply["extra"]["event_id"])
        return reply


def _event_id(at: datetime) -> str:
    return str(uuid7(nanoseconds=int(at.timestamp() * 1000) * 1_000_000))
