"""``orgtrail emit``: flags and lines become events; a mistake is one line and exit code 1."""

import io
import json
import logging
from types import SimpleNamespace

import pytest

from orgtrail.cli import emit
from orgtrail.event import Actor, Change, Target
from orgtrail.testing import Recorder

ACTOR = {"org": ["acme"], "actor": "alice@acme.example"}


@pytest.fixture
def audit():
    with Recorder() as recorder:
        yield recorder


def lines(monkeypatch, *texts):
    monkeypatch.setattr(
        "sys.stdin", SimpleNamespace(buffer=io.BytesIO("\n".join(texts).encode() + b"\n"))
    )


def test_every_flag_reaches_the_event(audit, capsys):
    code = emit(
        "org.user.role.updated", org=["acme", "globex"], actor="a@x.example", actor_id="u-1",
        actor_name="Ann", actor_type="support", target=["user:u-2", "user:bob@x.example"],
        change=["role=member=>admin", "note=a=b"], metadata=["ticket=T-1=x"], ip="8.8.8.8",
        user_agent="curl", request_id="r-1", outcome="denied",
    )  # fmt: skip
    assert code == 0
    first, second = audit.events
    assert [first.org_id, second.org_id] == ["acme", "globex"]
    assert capsys.readouterr().out == first.event_id + "\n"
    assert first.actor == Actor(type="support", id="u-1", email="a@x.example", name="Ann")
    assert first.targets == [
        Target(type="user", id="u-2"),
        Target(type="user", email="bob@x.example"),
    ]
    role, note = first.changes
    assert role == Change(field="role", old="member", new="admin")
    assert (note.field, note.old) == ("note", None)
    assert list(first.metadata) == ["ticket"]
    context = first.context
    assert (context.ip, context.user_agent, context.request_id) == ("8.8.8.8", "curl", "r-1")
    assert first.outcome == "denied"


@pytest.mark.parametrize(
    ("flags", "named"),
    [
        ({"org": None}, "org_id"),
        ({"actor": None}, "actor"),
        ({"actor_type": "robot"}, "actor.type"),
        ({"target": ["bob"]}, "--target"),
        ({"target": ["user:"]}, "--target"),
        ({"change": ["role"]}, "--change"),
        ({"change": ["=x"]}, "--change"),
        ({"metadata": ["note"]}, "--metadata"),
        ({"ip": "nowhere"}, "--ip"),
        ({"outcome": "maybe"}, "outcome"),
        ({"event_id": "42"}, "event_id"),
    ],
)
def test_a_wrong_flag_is_named_in_one_line(audit, capsys, flags, named):
    with pytest.raises(SystemExit) as ended:
        emit("user.login", **(ACTOR | flags))
    out, err = capsys.readouterr()
    assert (ended.value.code, out) == (1, "")
    assert err.startswith(f"orgtrail emit: {named}: ")
    assert err.count("\n") == 1
    assert audit.events == []


def test_a_wrong_setting_is_named(audit, monkeypatch, capsys):
    monkeypatch.setenv("ORGTRAIL_COMPRESSION", "rar")
    with pytest.raises(SystemExit):
        emit("user.login", **ACTOR)
    assert "ORGTRAIL_COMPRESSION" in capsys.readouterr().err


def test_each_line_is_an_event_and_a_wrong_one_is_named_by_its_number(audit, monkeypatch, capsys):
    good = json.dumps({"event": "user.login", "org_id": "acme", "actor": {"id": "u-1"}})
    unknown = good.replace('"event"', '"x": 1, "event"')
    lines(monkeypatch, good, "", "not json", unknown, good.replace("u-1", ""), '{"event": "a"}')
    assert emit() == 1
    out, err = capsys.readouterr()
    assert len(audit.events) == 2
    assert out == ""
    for number in (3, 4, 6):
        assert f"line {number}: " in err
    assert "3 refused" in err
    assert "line 1: " not in err


def test_lines_without_a_mistake_are_exit_code_0(audit, monkeypatch):
    lines(monkeypatch, *[json.dumps({"event": "user.login", "org_id": ["a", "b"], "actor": {"id": "1"}})] * 3)  # fmt: skip
    assert emit() == 0
    assert len(audit.events) == 6


def test_an_event_that_kafka_did_not_take_is_on_disk_and_the_folder_named(
    monkeypatch, capsys, tmp_path
):
    monkeypatch.setenv("ORGTRAIL_SPOOL_DIR", str(tmp_path / "spool"))
    monkeypatch.setenv("ORGTRAIL_KAFKA_BROKERS", "127.0.0.1:1")
    monkeypatch.setenv("ORGTRAIL_CLOSE_SECONDS", "0.1")
    assert emit("user.login", **ACTOR) == 0
    out, err = capsys.readouterr()
    assert out.strip()
    assert "1 spooled" in err
    assert "127.0.0.1:1" in err
    assert str(tmp_path / "spool") in err
    assert list((tmp_path / "spool").rglob("*.frames"))


def test_the_log_level_of_the_sdk_is_left_as_it_was(audit, caplog):
    log = logging.getLogger("orgtrail")
    caplog.set_level(logging.INFO, "orgtrail")
    emit("user.login", **ACTOR)
    with pytest.raises(SystemExit):
        emit("user.login")
    assert log.level == logging.INFO
