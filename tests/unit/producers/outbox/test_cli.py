import signal
import sqlite3
import subprocess
import sys
import time

import pytest
from tests.support.running import eventually

from orgtrail import Actor
from orgtrail.outbox import cli
from orgtrail.outbox import relay as module
from orgtrail.outbox.cli import relay

RUN = [sys.executable, "-c", "import cyclopts; from orgtrail.outbox.cli import relay;"
       " cyclopts.run(relay)"]  # fmt: skip


@pytest.fixture
def emit(outbox, connection):
    def commit(count):
        for _ in range(count):
            outbox.emit(connection, "user.login", org_id="acme", actor=Actor(id="u"))
        connection.commit()

    return commit


@pytest.fixture
def left(connection):
    return lambda: connection.execute("SELECT count(*) FROM orgtrail_outbox").fetchone()[0]


def run(*words, broker=None, seconds=30, **environment):
    env = {"PATH": "/usr/bin", "ORGTRAIL_KAFKA_BROKERS": getattr(broker, "address", "127.0.0.1:1")}
    return subprocess.run(
        [*RUN, *words], env=env | environment, capture_output=True, text=True, timeout=seconds,
        check=False,
    )  # fmt: skip


def test_create_makes_the_tables_and_ends(tmp_path):
    url = f"sqlite:///{tmp_path}/new.db"
    for _ in range(2):
        done = run("--database", url, "--create", "--table", "audit_out")
        assert (done.returncode, done.stdout) == (0, "audit_out is ready\n"), done.stderr
    found = sqlite3.connect(tmp_path / "new.db").execute("SELECT name FROM sqlite_master")
    assert {"audit_out", "audit_out_lease", "audit_out_waiting"} <= {name for (name,) in found}


@pytest.mark.parametrize("how", ["flag", "environment", "file"])
def test_once_delivers_what_waits(how, path, emit, left, broker, tmp_path):
    emit(3)
    url, words, environment = f"sqlite:///{path}", [], {}
    if how == "flag":
        words = ["--database", url]
    elif how == "environment":
        environment["ORGTRAIL_OUTBOX_DATABASE"] = url
    else:
        (tmp_path / "url").write_text(url + "\n")
        environment["ORGTRAIL_OUTBOX_DATABASE_FILE"] = str(tmp_path / "url")
    done = run("--once", *words, broker=broker, **environment)
    assert done.returncode == 0, done.stderr
    assert done.stderr.endswith("3 delivered, 0 refused\n")
    assert left() == 0


def test_once_says_when_it_refused(path, emit, broker):
    emit(1)
    broker.fail_produce(10, 2)
    done = run("--once", "--database", f"sqlite:///{path}", broker=broker)
    assert done.returncode == 1
    assert "marked as refused" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("given", "environment", "said"),
    [
        ({}, {}, "--database or ORGTRAIL_OUTBOX_DATABASE is required"),
        ({}, {"ORGTRAIL_OUTBOX_DATABASE_FILE": "/nowhere"}, "No such file or directory"),
        ({"database": "mysql://x"}, {}, "postgresql://"),
        ({"table": "a b"}, {}, "plain name"),
        ({"batch": 0}, {}, "--batch"),
        ({"lease_seconds": 0.5}, {}, "--lease-seconds"),
        ({"keep_days": -1}, {}, "--keep-days"),
        ({}, {"ORGTRAIL_TOPIC": "a b"}, "ORGTRAIL_TOPIC"),
        (
            {},
            {"ORGTRAIL_KAFKA_CA_FILE": "/nowhere", "ORGTRAIL_KAFKA_SECURITY_PROTOCOL": "SSL"},
            "ca",
        ),
        ({"database": "sqlite:////nowhere/x.db", "create": True}, {}, "unable to open"),
    ],
)
def test_what_a_person_can_mend_is_one_line(given, environment, said, monkeypatch, capsys):
    if "ORGTRAIL_TOPIC" in environment or "ORGTRAIL_KAFKA_CA_FILE" in environment or given:
        given = {"database": "sqlite:////tmp/never-opened.db"} | given
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert relay(**given) == 1
    error = capsys.readouterr().err
    assert error.startswith("orgtrail relay: ")
    assert said in error
    assert error.count("\n") == 1


def test_sigterm_ends_it_after_the_batch(path, emit, left, broker):
    emit(5)
    env = {"PATH": "/usr/bin", "ORGTRAIL_KAFKA_BROKERS": broker.address}
    process = subprocess.Popen(
        [*RUN, "--database", f"sqlite:///{path}"], env=env, stderr=subprocess.PIPE, text=True
    )
    eventually(lambda: left() == 0)
    before = time.monotonic()
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=15)
    assert time.monotonic() - before < 3
    assert process.returncode == 0
    assert said.endswith("5 delivered, 0 refused\n")


def hurt(path, mistake):
    """A relay without Kafka, of which some line was changed."""
    code = (
        "import cyclopts, time; from orgtrail.outbox import cli, relay, store;"
        f" relay._STOP_WITHIN_S = 1; cli._END_WITHIN_S = 3; {mistake}; cyclopts.run(cli.relay)"
    )
    return subprocess.Popen(
        [sys.executable, "-c", code, "--database", f"sqlite:///{path}"],
        env={"PATH": "/usr/bin", "ORGTRAIL_KAFKA_BROKERS": "127.0.0.1:1"},
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize(
    ("mistake", "seconds", "said"),
    [
        ("relay._SILENT_AFTER_S = 0.1", (1, 2.8), "0 delivered, 0 refused\n"),
        ("store.Store.take = lambda *_: time.sleep(30)", (3, 5), "shutdown timed out; exiting\n"),
    ],
    ids=["kafka", "database"],
)
def test_sigterm_ends_it_in_time_when_nobody_answers(path, emit, left, mistake, seconds, said):
    emit(1)
    process = hurt(path, mistake)
    assert "delivering from the outbox" in process.stderr.readline()
    # A batch is on its way.
    time.sleep(0.5)
    before = time.monotonic()
    process.send_signal(signal.SIGTERM)
    _, printed = process.communicate(timeout=15)
    assert seconds[0] - 0.1 < time.monotonic() - before < seconds[1]
    assert process.returncode == 0
    assert "Traceback" not in printed
    assert printed.endswith(said)
    assert left() == 1


def test_it_ends_within_ten_seconds():
    assert module._STOP_WITHIN_S < cli._END_WITHIN_S <= 10


def test_the_command_has_help_of_its_own():
    assert relay.__doc__
    done = run("--help")
    assert done.returncode == 0
    for flag in ("--database", "--table", "--create", "--once", "--batch", "--keep-days"):
        assert flag in done.stdout
