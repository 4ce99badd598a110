"""A victim, an attacker with a token of their own, and the tally of what was tried."""

from __future__ import annotations

from collections import Counter
from typing import Any

import httpx
import pytest
from tests.support.events import emit_arguments
from tests.support.running import Running

from orgtrail import Actor

TALLY: Counter[str] = Counter()
"""What was tried; printed at the end of the run."""

SECRET = "nobody-else-may-read-this"
VICTIM, ATTACKER, JOINED = "victim", "attacker", "joined"
_TELLTALE = (SECRET, "DB::", "Code: ", "Traceback", "SELECT ", "site-packages", "/query_service/")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if TALLY:
        failed = [r for r in terminalreporter.getreports("failed") if "tests/attack" in r.nodeid]
        words = ", ".join(f"{TALLY[name]} {name}" for name in ("operations", "cases", "attacks"))
        terminalreporter.write_line(f"attack: {words}, {len(failed)} failures")


@pytest.fixture(scope="session")
def whole(request: pytest.FixtureRequest) -> bool:
    """Whether everything is tried, as ``make attack`` does; the default tests try a part."""
    return int(request.config.getoption("--rounds")) > 1


class Attacker:
    """Asks the service whatever it likes, and says what no answer may hold."""

    def __init__(self, running: Running) -> None:
        self.url = running.stack.page
        self.token = running.token(ATTACKER)
        self._client = httpx.Client(base_url=self.url, timeout=30)

    def ask(self, path: str, *, token: str | None = None, **more: Any) -> httpx.Response:
        """Send an attack. The answer is no defect's and holds nothing of others."""
        TALLY["attacks"] += 1
        token = self.token if token is None else token
        headers = {"Authorization": f"Bearer {token}"} | more.pop("headers", {})
        answer = self._client.request(more.pop("method", "GET"), path, headers=headers, **more)
        self.judge(answer)
        return answer

    @staticmethod
    def judge(answer: httpx.Response) -> None:
        told = f"{answer.request.url} -> {answer.status_code} {answer.text[:500]}"
        assert answer.status_code < 500, told
        for word in _TELLTALE:
            assert word not in answer.text, told
            assert word not in str(answer.headers), told
        if answer.request.method == "HEAD":
            assert answer.content == b"", told
        elif answer.status_code >= 400 and "html" not in answer.headers.get("content-type", ""):
            assert answer.headers["content-type"].startswith("application/problem+json"), told
            assert answer.json()["status"] == answer.status_code


@pytest.fixture(scope="package")
def attacker(running: Running) -> Attacker:
    """With an organization of the attacker's, a victim's, and one where they are a member."""
    for org in (VICTIM, ATTACKER, JOINED):
        who = Actor(id=f"u-{org}", email=f"{SECRET}@{org}" if org != ATTACKER else "me@x")
        with running.producer() as producer:
            producer.emit(
                "user.login", **emit_arguments("user.login") | {"org_id": org, "actor": who}
            )
        running.wait_for(org, 1)
    return Attacker(running)
