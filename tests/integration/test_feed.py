"""The documented poller, against late events, equal milliseconds, copies and a consumer that dies."""

import json
import os
import re
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from tests.support.events import datum
from tests.support.running import eventually

from orgtrail import Actor

ORG = "feed"
DOCUMENT = Path(__file__).resolve().parents[2] / "docs/feed.md"


@pytest.fixture
def poller(running, tmp_path):
    """The program of the docs, which polls more often here; it is killed once and continues."""
    (program,) = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    assert len(program.strip().splitlines()) <= 25
    assert "time.sleep(10)" in program
    file = tmp_path / "poller.py"
    file.write_text(program.replace("time.sleep(10)", "time.sleep(0.3)"))
    env = {
        **os.environ,
        "ORGTRAIL_URL": running.stack.page,
        "ORGTRAIL_TOKEN": running.token(ORG),
        "ORG": ORG,
    }

    class Poller:
        def start(self):
            with (tmp_path / "out").open("ab") as out:
                self.process = subprocess.Popen(
                    [sys.executable, file], env=env, cwd=tmp_path, stdout=out
                )

        def printed(self):
            lines = (tmp_path / "out").read_text().splitlines()
            return [
                e for line in lines if not (e := json.loads(line))["event"].startswith("org.audit")
            ]

    made = Poller()
    made.start()
    yield made
    made.process.kill()
    made.process.wait()


def test_the_documented_poller_sees_each_event_once(running, rounds, poller):
    deadline = time.monotonic() + (600 if rounds > 1 else 15)
    consumer, sent, number = running.stack.consumer, [], 0
    assert consumer is not None
    while time.monotonic() < deadline:
        number += 1
        now = datetime.now(UTC)
        with running.producer() as producer:
            for late in (timedelta(0), timedelta(days=1), timedelta(days=60)):
                # Eight events of one millisecond.
                for _ in range(8):
                    sent.append(
                        producer.emit(
                            "user.login",
                            org_id=ORG,
                            actor=Actor(id=f"u-{number}"),
                            occurred_at=now - late,
                        )
                    )
        # The same event again with other content, in any partition: the first stays.
        copy = datum(org_id=ORG, event_id=sent[-1], occurred_at=now - timedelta(days=60))
        running.raw.send(copy, str(number).encode())
        if number % 4 == 2:
            consumer.kill()
            time.sleep(0.5)
            consumer._process = consumer._start()
        if number % 5 == 3:
            # A poller that is stopped between two questions, not within one.
            poller.process.kill()
            poller.process.wait()
            poller.start()
        time.sleep(0.5)
    eventually(lambda: set(sent) <= {e["event_id"] for e in poller.printed()}, 60)
    printed = poller.printed()
    received = [
        (e["received_at"], e["source"]["partition"], e["source"]["offset"]) for e in printed
    ]
    # A killed poller may print its last page again, as the docs say; nothing else comes twice.
    once = dict.fromkeys(zip(received, (e["event_id"] for e in printed), strict=True))
    assert [position for position, _ in once] == sorted(received_once := {p for p, _ in once})
    assert len(received_once) == len({event_id for _, event_id in once}) == len(sent)


@pytest.fixture(scope="session")
def rounds(request):
    return int(request.config.getoption("--rounds"))


def test_a_page_of_the_feed_is_followed_by_its_link(running):
    with running.producer() as producer:
        for _ in range(5):
            producer.emit("user.login", org_id="feed-link", actor=Actor(id="u"))
    running.wait_for("feed-link", 5)
    asked = {"order": "received", "limit": 2, "event": "user.login"}

    def whole():
        first = running.get("/v1/orgs/feed-link/events", org="feed-link", **asked)
        assert first.status_code == 200
        found, answer = list(first.json()["events"]), first
        for _ in range(4):
            path = re.match(r'<([^>]*)>; rel="next"', answer.headers["link"])[1]
            token = {"Authorization": f"Bearer {running.token('feed-link')}"}
            answer = httpx.get(running.stack.page + path, headers=token)
            found += answer.json()["events"]
        return found

    events = eventually(lambda: len(found := whole()) == 5 and found)
    assert [e["received_at"] for e in events] == sorted(e["received_at"] for e in events)
    later = {"received_since": events[-1]["received_at"]}
    newest = running.get(
        "/v1/orgs/feed-link/events", org="feed-link", **asked | {"limit": 100}, **later
    ).json()
    assert events[-1]["event_id"] in {e["event_id"] for e in newest["events"]}
    refused = running.get(
        "/v1/orgs/feed-link/events", org="feed-link", since="2026-11-01T00:00:00Z", **asked
    )
    assert (refused.status_code, "received_since" in refused.json()["detail"]) == (400, True)
