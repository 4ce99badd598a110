"""``orgtrail emit``, and the SDK with its spool, against a real broker."""

import json
import os
import socket
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.support.up import orgtrail

from orgtrail import Actor, AuditProducer, ProducerSettings
from orgtrail_schemas.catalogue import examples

NOWHERE = "127.0.0.1:1"


def test_one_event_by_flags(running):
    done = orgtrail(
        "emit", "org.user.role.updated", "--org", "cli", "--actor", "alice@x",
        "--target", "user:bob@x", "--change", "role=member=>admin", "--metadata", "note=hi",
        "--ip", "80.67.169.12", "--outcome", "denied",
        env=running.stack.environment(),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (event,) = running.wait_for("cli", 1)
    assert event["event_id"] == done.stdout.strip()
    assert event["targets"][0]["email"] == "bob@x"
    assert event["changes"] == [{"field": "role", "old": "member", "new": "admin"}]
    assert (event["outcome"], event["context"]["country"]) == ("denied", "FR")
    assert event["metadata"] == {"note": "hi"}


def test_json_lines_on_standard_input(running):
    lines = [json.dumps(example | {"org_id": "lines"}) for example in examples().values()]
    lines.insert(3, '{"event": "user.login"}')
    lines.insert(7, "not json")
    lines.insert(9, json.dumps(examples()["user.login"] | {"outcome": "maybe"}))
    done = orgtrail("emit", env=running.stack.environment(), text="\n".join(lines) + "\n\n")
    assert done.returncode == 1
    assert f"{len(examples())} acknowledged, 0 spooled, 3 refused" in done.stderr
    for number in (4, 8, 10):
        assert f"line {number}: " in done.stderr
    assert "Traceback" not in done.stderr
    services = [key for key in examples() if not key.startswith("org.audit-log.")]
    assert len(running.wait_for("lines", len(services))) == len(services)


def test_a_wrong_event_is_one_line(running):
    done = orgtrail("emit", "user.login", "--org", "cli", env=running.stack.environment())
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "orgtrail emit: actor: needs an id or an email\n"


@pytest.mark.parametrize(
    "flags",
    [
        ["--change", "role"],
        ["--metadata", "note"],
        ["--target", "bob@x"],
        ["--outcome", "maybe"],
        ["--event-id", "42"],
        ["--ip", "nowhere"],
    ],
    ids=lambda flags: flags[0],
)
def test_a_wrong_flag_is_one_line(running, flags):
    env = running.stack.environment()
    done = orgtrail("emit", "user.login", "--org", "cli", "--actor", "a@x", *flags, env=env)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("orgtrail emit: ")
    assert done.stderr.count("\n") == 1


def test_what_was_spooled_is_delivered_in_order_when_kafka_is_back(running, tmp_path):
    away = AuditProducer(ProducerSettings.load(kafka_brokers=NOWHERE, spool_dir=tmp_path))
    sent = []
    for _ in range(20):
        sent.append(away.emit("user.login", org_id="spool", actor=Actor(id="u-1")))
    assert away.spooled == 20
    away.close(0.5)

    with running.producer(spool_dir=tmp_path) as back:
        sent.append(back.emit("user.logout", org_id="spool", actor=Actor(id="u-1")))
        events = running.wait_for("spool", 21)
        assert back.spooled == 0
    placed = sorted(events, key=lambda e: e["source"]["offset"])
    assert [e["event_id"] for e in placed] == sent


def test_delivery_is_reported(running):
    seen = []
    with running.producer() as producer:
        event_id = producer.emit(
            "user.login", org_id="report", actor=Actor(id="u-1"), on_delivery=seen.append
        )
        assert producer.flush() == 0
        assert seen == [(event_id, "report", "acknowledged", None)]


def test_occurred_at_may_be_given(running):
    moment = datetime.now(UTC).replace(microsecond=456000) - timedelta(days=3)
    with running.producer() as producer:
        producer.emit("user.login", org_id="moment", actor=Actor(id="u"), occurred_at=moment)
    (event,) = running.wait_for("moment", 1)
    assert datetime.fromisoformat(event["occurred_at"]) == moment


@pytest.mark.parametrize("silent", [True, False])
def test_a_broker_that_is_away_is_named_within_five_seconds(tmp_path, silent):
    """One that refuses, and one that takes the connection and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}" if silent else NOWHERE
        env = {"ORGTRAIL_KAFKA_BROKERS": address, "ORGTRAIL_SPOOL_DIR": str(tmp_path)}
        began = time.monotonic()
        done = orgtrail("emit", "user.login", "--org", "away", "--actor", "a@x", env=env)
        took = time.monotonic() - began
    assert address in done.stderr
    assert took < 5


def test_a_reader_that_wants_no_more_is_no_error(running):
    env = running.stack.environment() | {
        "ORGTRAIL_URL": running.stack.page, "ORGTRAIL_TOKEN": running.token("pipe"),
    }  # fmt: skip
    with running.producer() as producer:
        for _ in range(300):
            producer.emit("user.login", org_id="pipe", actor=Actor(id="u-1", name="x" * 500))
    running.wait_for("pipe", 300)
    for words in (
        "query pipe --limit 0 --json",
        "query pipe --limit 0",
        "export pipe --format jsonl --output -",
    ):
        shell = f"{Path(sys.executable).with_name('orgtrail')} {words} | head -c 10"
        done = subprocess.run(
            ["bash", "-o", "pipefail", "-c", shell],
            env=os.environ | env,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, (words, done.stderr)
        for word in ("Broken pipe", "BrokenPipe", "Traceback"):
            assert word not in done.stderr, words
