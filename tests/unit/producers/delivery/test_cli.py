"""``orgtrail spool``: what an operator sees and does."""

import json
import time

import pytest
from tests.support.mock_broker import MockBroker, ids

from orgtrail import Actor, AuditProducer, ProducerSettings
from orgtrail.delivery.cli import spool
from orgtrail.delivery.set_aside import aside_folder, set_damage_aside

INVALID_RECORD = 87


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("ORGTRAIL_SPOOL_DIR", str(tmp_path / "spool"))
    return tmp_path / "spool"


@pytest.fixture
def broker():
    made = MockBroker()
    yield made
    made.close()


def producer(broker="127.0.0.1:1"):
    return AuditProducer(ProducerSettings.load(kafka_brokers=broker))


def emit(audit):
    return audit.emit("user.login", org_id="acme", actor=Actor(id="u-1", name="Alice"))


def run(capsys, *arguments):
    try:
        code = spool(arguments, result_action="return_value")
    except SystemExit as end:
        code = end.code
    out, err = capsys.readouterr()
    return code, out, err


@pytest.fixture
def refused(broker, folder):
    """The name and event of a record that Kafka refused."""
    broker.fail_produce(INVALID_RECORD, 1)
    audit = producer(broker.address)
    event = emit(audit)
    assert audit.flush(10) == 0
    audit.close()
    (path,) = aside_folder(folder).glob("*.refused")
    return path.name, event


def test_an_empty_spool_is_listed(folder, capsys):
    assert run(capsys, "list") == (0, f"spool {folder}\n", "")


def test_what_waits_is_listed_with_whether_its_process_lives(folder, capsys):
    audit = producer()
    for _ in range(3):
        emit(audit)
    assert "3 events waiting, 0.0 MB; in use by a running process" in run(capsys, "list")[1]
    audit.close(0)
    assert "3 events waiting, 0.0 MB; the next process sends them" in run(capsys, "list")[1]


def test_a_refused_record_is_listed_and_shown(refused, capsys):
    name, event = refused
    listed = run(capsys, "list")[1]
    assert name in listed
    assert "user.login of acme, rejected" in listed
    code, out, _ = run(capsys, "show", name)
    assert code == 0
    shown = json.loads(out)
    assert shown["event"]["event_id"] == event
    assert shown["event"]["actor"]["name"] == "Alice"
    assert "INVALID_RECORD" in shown["reason"]


def test_a_refused_record_is_sent_again(refused, broker, folder, capsys):
    name, event = refused
    assert run(capsys, "retry", name) == (0, f"{name} is queued again\n", "")
    assert not list(aside_folder(folder).iterdir())
    audit = producer(broker.address)
    deadline = time.monotonic() + 10
    while audit.spooled and time.monotonic() < deadline:
        time.sleep(0.05)
    assert ids(broker.records(1)) == [event]
    audit.close()


def test_a_refused_record_is_dropped(refused, folder, capsys):
    name, _event = refused
    assert run(capsys, "drop", name) == (0, f"{name} was deleted\n", "")
    assert not list(aside_folder(folder).iterdir())


@pytest.mark.parametrize("command", ["show", "retry", "drop"])
def test_a_name_that_is_not_there_is_one_line(folder, capsys, command):
    code, out, err = run(capsys, command, "../lanes")
    assert (code, out) == (1, "")
    assert err == "orgtrail spool: ../lanes does not exist; orgtrail spool list prints the names\n"


def test_damaged_bytes_are_listed_and_no_event(folder, capsys):
    path = set_damage_aside(folder, "x-1-0", b"garbage", 1_000)
    assert "7 damaged bytes without an event" in run(capsys, "list")[1]
    assert run(capsys, "show", path.name)[0] == 1
    assert run(capsys, "drop", path.name)[0] == 0
