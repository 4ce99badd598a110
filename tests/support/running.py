"""A running stack, as tests see it: an administrator's API, an analyst's SQL, a migrator's SQL."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import clickhouse_connect
import httpx
from clickhouse_connect.driver.client import Client
from tests.support.events import RawProducer

from orgtrail import AuditProducer
from orgtrail_deploy.local.issuer import ADMINISTRATOR, make_sign_in_code, make_token
from orgtrail_deploy.local.secrets import load_secrets
from orgtrail_deploy.local.stack import Stack

T = TypeVar("T")


def eventually(ask: Callable[[], T], seconds: float = 20) -> T:
    """What ``ask`` returns as soon as it is true; fails after so many seconds."""
    deadline = time.monotonic() + seconds
    while not (answer := ask()):
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.05)
    return answer


def without_readings(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Without those that the tests' own reading was recorded as."""
    return [event for event in events if not event["event"].startswith("org.audit-log.")]


class Running:
    """One stack for the session; each test uses organizations of its own."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.raw = RawProducer(stack.brokers)
        self._clients: dict[str, Client] = {}

    def producer(self, **settings: Any) -> AuditProducer:
        return AuditProducer(self.stack.producer_settings(**settings))

    def token(
        self,
        *orgs: str,
        lasts: timedelta = timedelta(hours=1),
        role: str = "admin",
        subject: str = ADMINISTRATOR,
    ) -> str:
        now = datetime.now(UTC)
        root = self.stack.root
        return make_token(root, orgs, now, lasts=lasts, role=role, subject=subject)

    def sign_in_link(self, *orgs: str) -> str:
        code = make_sign_in_code(self.stack.root, orgs, datetime.now(UTC))
        return f"{self.stack.page}/sign-in/{code}"

    def get(self, path: str, *, org: str = "acme", token: str | None = None, **params: Any) -> Any:
        token = self.token(org) if token is None else token
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return httpx.get(self.stack.page + path, params=params, headers=headers, timeout=30)

    def events(self, org: str, **params: Any) -> list[dict[str, Any]]:
        """A page of an organization's events, without those of reading."""
        answer = self.get(f"/v1/orgs/{org}/events", org=org, **params)
        assert answer.status_code == 200, answer.text
        return without_readings(answer.json()["events"])

    def wait_for(self, org: str, count: int, **params: Any) -> list[dict[str, Any]]:
        """The organization's events as soon as there are so many."""
        params = {"limit": 1000} | params
        eventually(lambda: len(self.events(org, **params)) >= count)
        return self.events(org, **params)

    def client(self, user: str) -> Client:
        if user not in self._clients:
            self._clients[user] = clickhouse_connect.get_client(
                host=self.stack.servers.clickhouse_host,
                port=self.stack.servers.clickhouse_port,
                username=user,
                password=load_secrets(self.stack.root).passwords[user],
                autogenerate_session_id=False,
            )
        return self._clients[user]

    def sql(
        self, query: str, user: str = "audit_migrator", **parameters: Any
    ) -> Sequence[Sequence[Any]]:
        rows: Sequence[Sequence[Any]] = self.client(user).query(query, parameters).result_rows
        return rows
