import signal
import sqlite3
import subprocess
import sys
import time

import pytest
from tests.support.running import eventually

from orgtrail import Actor
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
        assert (done.returncode, done.stdout) == (0, "audit_out is there\n"), done.stderr
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
    ("words", "environment", "said"),
    [
        ([], {}, "ORGTRAIL_OUTBOX_DATABASE or ORGTRAIL_OUTBOX_DATABASE_FILE is required"),
        ([], {"ORGTRAIL_OUTBOX_DATABASE_FILE": "/nowhere"}, "No such file or directory"),
        (["--database", "mysql://x"], {}, "postgresql://"),
        (["--database", "sqlite:///x.db", "--table", "a b"], {}, "plain name"),
        (["--database", "sqlite:///x.db", "--batch", "0"], {}, "--batch"),
        (["--database", "sqlite:///x.db"], {"ORGTRAIL_TOPIC": "a b"}, "ORGTRAIL_TOPIC"),
        (["--database", "sqlite:////nowhere/x.db", "--create"], {}, "unable to open"),
    ],
)
def test_what_a_person_can_mend_is_one_line(words, environment, said):
    done = run(*words, **environment)
    assert done.returncode == 1
    assert done.stderr.startswith("orgtrail relay: ")
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


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


def test_sigterm_ends_it_in_ten_seconds_without_kafka(path, emit, left):
    emit(1)
    process = subprocess.Popen(
        [*RUN, "--database", f"sqlite:///{path}"], stderr=subprocess.PIPE, text=True,
        env={"PATH": "/usr/bin", "ORGTRAIL_KAFKA_BROKERS": "127.0.0.1:1"},
    )  # fmt: skip
    assert "delivering from the outbox" in process.stderr.readline()
    # A batch is on its way.
    assert "does not take events" in process.stderr.readline()
    before = time.monotonic()
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=15)
    assert time.monotonic() - before < 10.5
    assert process.returncode == 0
    assert "Traceback" not in said
    assert left() == 1


def test_the_command_has_help_of_its_own():
    assert relay.__doc__
    done = run("--help")
    assert done.returncode == 0
    for flag in ("--database", "--table", "--create", "--once", "--batch", "--keep-days"):
        assert flag in done.stdout
