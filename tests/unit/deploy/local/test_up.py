"""``orgtrail up``: its exit code, its one line of error, and what it prints to copy."""

import re
import signal
from types import SimpleNamespace

import pytest

from orgtrail import ProducerSettings
from orgtrail.errors import AuditError
from orgtrail_deploy.errors import StackError
from orgtrail_deploy.local import check
from orgtrail_deploy.local import up as module
from orgtrail_deploy.local.issuer import ensure_issuer
from orgtrail_deploy.local.secrets import ANALYST, load_secrets


@pytest.fixture
def stack(tmp_path, monkeypatch):
    """A stack whose processes are fakes; it runs until ``outcomes`` are used up."""

    class Stack:
        outcomes = (None, KeyboardInterrupt())
        fails = None
        made = None
        brokers = "127.0.0.1:9092"
        page = "http://127.0.0.1:8080"

        def __init__(self, root, settings):
            self.root, self.settings, self.stopped = root, settings, 0
            self.left = list(self.outcomes)
            Stack.made = self

        def start(self, say, progress):
            say("Downloading Kafka")
            progress(0, 2)
            progress(2, 2)
            if self.fails:
                raise self.fails
            ensure_issuer(self.root)

        def producer_settings(self, **more):
            return ProducerSettings(**more)

        def revive(self):
            outcome = self.left.pop(0)
            if isinstance(outcome, BaseException):
                raise outcome
            return outcome

        def stop(self):
            self.stopped += 1

    emitted = []
    monkeypatch.setenv("ORGTRAIL_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(module, "Stack", Stack)
    monkeypatch.setattr(module, "time", SimpleNamespace(sleep=lambda _s: None, monotonic=lambda: 0))
    monkeypatch.setattr(module, "ask", lambda *_given: "3\n")
    monkeypatch.setattr(module, "emit_demo", lambda *_given: emitted.append(1) or 3)
    monkeypatch.setattr(module.signal, "signal", lambda *_given: None)
    Stack.emitted = emitted
    return Stack


def test_ctrl_c_stops_everything_and_is_no_error(stack, capsys):
    assert module.up() == 0
    assert stack.made.stopped == 1
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("fails", [StackError("port 9092 is busy"), None])
def test_a_start_that_fails_or_a_process_that_ends_is_one_line(stack, capsys, fails):
    stack.fails, stack.outcomes = fails, (None, StackError("Kafka ended again and again"))
    assert module.up() == 1
    error = capsys.readouterr().err
    assert error.startswith("orgtrail up: ")
    assert error.count("\n") == 1
    assert ("9092" if fails else "Kafka") in error
    assert stack.made.stopped == 1


def test_a_folder_is_used_by_one_stack_at_a_time_and_free_afterwards(stack, capsys):
    def second(_self, _say, _progress):
        raise StackError(f"second returned {module.up()}")

    first = stack.start
    stack.start = second
    assert module.up() == 1
    assert "second returned 1" in capsys.readouterr().err
    stack.start = first
    assert module.up() == 0


def test_sample_events_are_emitted_once(stack, capsys):
    module.up()
    module.up()
    assert stack.emitted == [1]


def test_sample_events_that_cannot_be_sent_are_one_line_and_tried_again(stack, monkeypatch, capsys):
    def refuse(*_given):
        raise AuditError("Kafka is unreachable")

    with monkeypatch.context() as patch:
        patch.setattr(module, "emit_demo", refuse)
        assert module.up() == 1
    assert "Kafka is unreachable" in capsys.readouterr().err
    assert module.up() == 0
    assert stack.emitted == [1]


def test_what_it_prints_can_be_copied(stack, tmp_path, capsys):
    module.up()
    printed = capsys.readouterr().out
    assert re.search(r"^  http://127\.0\.0\.1:8080/sign-in/[\w-]{20,}$", printed, re.MULTILINE)
    assert re.search(r"Authorization: Bearer [\w.-]{100,}' 'http://127\.0\.0\.1:8080/v1/", printed)
    assert load_secrets(tmp_path / "home").passwords[ANALYST.name] in printed
    assert "ORGTRAIL_KAFKA_BROKERS" not in printed


def test_a_wrong_port_is_one_line(stack, monkeypatch, capsys):
    monkeypatch.setenv("ORGTRAIL_UP_PAGE_PORT", "no")
    assert module.up() == 1
    assert "ORGTRAIL_UP_PAGE_PORT" in capsys.readouterr().err


@pytest.mark.parametrize("code", [0, 1])
def test_check_returns_its_own_exit_code(stack, monkeypatch, code):
    monkeypatch.setattr(check, "run_check", lambda _console: code)
    assert module.up(check=True) == code
    assert stack.made is None


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_both_signals_interrupt(stack, monkeypatch, number):
    handlers = {}
    monkeypatch.setattr(module.signal, "signal", handlers.__setitem__)
    module.up()
    with pytest.raises(KeyboardInterrupt):
        handlers[number](number, None)


def test_events_that_are_never_stored_are_an_error(stack, monkeypatch, capsys):
    clock = iter(range(0, 10_000, 50))
    monkeypatch.setattr(module.time, "monotonic", lambda: next(clock))
    monkeypatch.setattr(module, "ask", lambda *_given: "2\n")
    assert module.up() == 1
    assert str(stack.made.root) in capsys.readouterr().err


def test_a_process_that_is_started_again_is_said(stack, capsys):
    stack.outcomes = (None, "Kafka ended. It is started again.", None, KeyboardInterrupt())
    assert module.up() == 0
    assert "Kafka ended. It is started again." in capsys.readouterr().out
