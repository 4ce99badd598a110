import subprocess
import sys
import textwrap
import threading
from unittest import mock

import pytest

from orgtrail import Actor, AuditProducer, Change, Context, InvalidEventError, Target, producer
from orgtrail.testing import Recorder, UnlistedError
from orgtrail_schemas.catalogue import REDACTED

ALICE = Actor(id="u-1", email="alice@acme.example")
BOB = Target(type="user", id="u-2", email="bob@acme.example")


def emit(event="user.login", **arguments):
    return AuditProducer().emit(event, **({"org_id": "acme", "actor": ALICE} | arguments))


def role_updated(**arguments):
    changes = [Change(field="role", old="member", new="admin")]
    return emit("org.user.role.updated", targets=[BOB], changes=changes, **arguments)


@pytest.fixture
def audit():
    with Recorder() as recorder:
        yield recorder


def test_events_are_recorded_without_thread_or_file(audit, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    before = threading.enumerate()
    identity = emit(org_id=["acme", "globex"])
    assert threading.enumerate() == before
    assert list(tmp_path.iterdir()) == []
    assert [(e.event_id, e.org_id) for e in audit.events] == [
        (identity, "acme"),
        (identity, "globex"),
    ]


def test_what_is_recorded_is_checked_and_redacted(audit):
    emit("user.password.changed", changes=[Change(field="password", new="hunter2")])
    assert audit.events[0].changes == [Change(field="password", old=None, new=REDACTED)]
    with pytest.raises(InvalidEventError):
        emit(outcome="fail")
    assert len(audit.events) == 1


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"org_id": "acme"},
        {"actor_id": "u-1"},
        {"actor_email": "alice@acme.example"},
        {"target_id": "u-2", "target_type": "user", "target_email": "bob@acme.example"},
        {"changes": {"role": ("member", "admin")}},
        {"changes": {}},
        {"changes": {"role": mock.ANY}},
        {"changes": {"role": ("member", mock.ANY)}},
        {"metadata": {"attempt": 3, "sso": True}},
        {"metadata": {"attempt": mock.ANY}},
        {"outcome": "denied"},
        {"org_id": "acme", "outcome": "denied", "actor_id": "u-1"},
    ],
)
def test_an_event_is_found_by_its_fields(audit, fields):
    role_updated(outcome="denied", metadata={"attempt": 3, "sso": True})
    emit()
    made = audit.assert_emitted("org.user.role.updated", **fields)
    assert made is audit.events[0]
    assert audit.find("org.user.role.updated", **fields) == [made]
    with pytest.raises(AssertionError, match=r"was emitted\. Emitted:"):
        audit.assert_not_emitted("org.user.role.updated", **fields)


@pytest.mark.parametrize(
    ("fields", "difference"),
    [
        ({"org_id": "globex"}, "org_id is 'acme'"),
        ({"actor_id": "u-9"}, "actor_id is 'u-1'"),
        ({"actor_id": None}, "actor_id is 'u-1'"),
        ({"target_id": "u-9"}, "target_id is 'u-2'"),
        ({"changes": {"name": ("a", "b")}}, "name did not change"),
        ({"changes": {"role": ("member", None)}}, "role changed from 'member' to 'admin'"),
        ({"changes": {"role": (mock.ANY, "owner")}}, "role changed from"),
        ({"changes": {"role": ("member",)}}, "role changed from"),
        ({"metadata": {"sso": True}}, "metadata has no sso"),
        ({"metadata": {"attempt": 4}}, "metadata attempt is '3'"),
        ({"outcome": "denied"}, "outcome is 'success'"),
        ({"event_id": "x"}, "event_id is '"),
        ({"org_id": object()}, "org_id is 'acme'"),
    ],
)
def test_a_failure_says_how_the_event_differs(audit, fields, difference):
    role_updated(metadata={"attempt": 3})
    audit.assert_not_emitted("org.user.role.updated", **fields)
    with pytest.raises(AssertionError, match=difference):
        audit.assert_emitted("org.user.role.updated", **fields)


def test_no_old_value_is_not_the_empty_text(audit):
    emit("org.details.updated", changes=[Change(field="name", old="", new="Acme")])
    audit.assert_emitted("org.details.updated", changes={"name": ("", "Acme")})
    audit.assert_not_emitted("org.details.updated", changes={"name": (None, "Acme")})


def test_a_failure_lists_what_was_emitted(audit):
    role_updated()
    emit(metadata={"method": "sso"})
    with pytest.raises(AssertionError) as failed:
        audit.assert_emitted("user.login", actor_id="u-9")
    assert str(failed.value) == (
        "user.login with actor_id='u-9' was not emitted. Emitted:\n"
        "  1. org.user.role.updated org_id='acme' actor=user:u-1 targets=[user:u-2]"
        " changes={'role': ('member', 'admin')} outcome='success'\n"
        "  2. user.login org_id='acme' actor=user:u-1 targets=[user:u-1]"
        " metadata={'method': 'sso'} outcome='success'\n"
        "       actor_id is 'u-1'"
    )


def test_nothing_was_emitted(audit):
    audit.assert_not_emitted()
    with pytest.raises(AssertionError, match=r"user\.login was not emitted\. Nothing was emitted"):
        audit.assert_emitted("user.login")
    emit()
    with pytest.raises(AssertionError, match="an event was emitted"):
        audit.assert_not_emitted()


def test_how_often(audit):
    emit()
    emit()
    audit.assert_emitted("user.login", times=2)
    with pytest.raises(AssertionError, match="was emitted 2 times, not 1"):
        audit.assert_emitted("user.login", times=1)


def test_a_field_that_events_do_not_have_is_a_mistake_of_the_test(audit):
    for ask in (audit.find, audit.assert_emitted, audit.assert_not_emitted):
        with pytest.raises(
            TypeError, match="cannot be matched by actor_di, only by org_id, actor_id"
        ):
            ask("user.login", actor_di="u-1")


def test_clear(audit):
    emit()
    audit.clear()
    audit.assert_not_emitted()


def test_the_inner_recorder_records_and_the_outer_goes_on():
    assert producer.set_sink(None) is None
    with Recorder() as outer:
        emit(org_id="a")
        with Recorder() as inner:
            emit(org_id="b")
        with pytest.raises(ZeroDivisionError), Recorder():
            raise ZeroDivisionError
        emit(org_id="c")
    assert [e.org_id for e in outer.events] == ["a", "c"]
    assert [e.org_id for e in inner.events] == ["b"]
    assert producer.set_sink(None) is None


def test_a_sink_of_somebody_else_is_restored():
    taken = []
    producer.set_sink(taken.extend)
    try:
        with Recorder() as recorder:
            emit(org_id="a")
        emit(org_id="b")
    finally:
        producer.set_sink(None)
    assert [[e.org_id for e in found] for found in (recorder.events, taken)] == [["a"], ["b"]]


def test_threads_share_a_recorder(audit):
    threads = [threading.Thread(target=lambda: [emit() for _ in range(50)]) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({e.event_id for e in audit.events}) == 400


def test_strict_refuses_at_the_emit_and_remembers():
    with Recorder(strict=True) as audit:
        with pytest.raises(UnlistedError, match=r"user\.logn is not .* \(maybe user\.login\?\)"):
            emit("user.logn")
        role_updated()
        assert [e.event for e in audit.events] == ["org.user.role.updated"]
        assert len(audit.refused) == 1
        with pytest.raises(AssertionError, match=r"refused: user\.logn is not in the catalogue"):
            audit.assert_emitted("user.login")
        audit.clear()
        assert audit.refused == []


def test_a_clients_address_is_no_undeclared_metadata():
    with Recorder(strict=True) as audit:
        emit(context=Context(ip="testclient", user_agent="x" * 9_999))
    assert set(audit.events[0].metadata) == {"orgtrail.ip", "orgtrail.repaired"}


CONFTEST = 'pytest_plugins = ["orgtrail.testing"]\n'
TESTS = """
import pytest
from orgtrail import Actor, events
from orgtrail.testing import Recorder, UnlistedError

WHO = {"org_id": "acme", "actor": Actor(id="u-1")}

def test_audit(audit):
    events.user_login(**WHO)
    events.custom("user.logn", **WHO)
    audit.assert_emitted("user.login", actor_id="u-1")

def test_each_test_begins_anew(audit):
    audit.assert_not_emitted()

def test_strict(strict_audit):
    with pytest.raises(UnlistedError):
        events.custom("user.logn", **WHO)

def test_that_fails(audit):
    events.user_login(**WHO)
    audit.assert_emitted("user.logout")
"""


def test_the_fixtures(tmp_path):
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / "test_service.py").write_text(TESTS)
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "pytest_socket",
            "--disable-socket",
            tmp_path,
        ],
        env={"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert "1 failed, 3 passed" in done.stdout, done.stdout
    assert "user.logout was not emitted. Emitted:" in done.stdout


def test_the_recorder_needs_no_pytest():
    code = """
        import sys
        sys.modules["pytest"] = None
        from orgtrail import Actor, emit
        from orgtrail.testing import Recorder
        with Recorder() as audit:
            emit("user.login", org_id="acme", actor=Actor(id=1))
        audit.assert_emitted("user.login", actor_id=1)
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=True)
