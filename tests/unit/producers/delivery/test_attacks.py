"""What a hostile or unlucky machine does to the spool, the threads and the callbacks."""

import logging
import os
import signal
import subprocess
import sys
import threading
import time

import pytest
from tests.support.mock_broker import ids
from tests.support.running import eventually
from tests.unit.producers.delivery.conftest import ALICE, NOWHERE, child, emit

from orgtrail import ProducerSettings, SpoolFullError
from orgtrail.delivery.journal import Journal
from orgtrail.delivery.lane import Lane


def leave(make, count=1, **settings):
    """Events that an ended process left."""
    audit = make(**settings)
    sent = [emit(audit) for _ in range(count)]
    audit.close(0)
    return sent


def test_a_full_spool_drains_after_a_restart(broker, make):
    audit = make(spool_megabytes=1)
    taken = 0
    with pytest.raises(SpoolFullError):
        while True:
            emit(audit)
            taken += 1
    audit.close(0)
    again = make(broker.address, spool_megabytes=1)
    eventually(lambda: again.spooled == 0)
    assert len(set(ids(broker.records(taken)))) == taken
    assert emit(again)


def test_many_dead_lanes_cost_few_descriptors_and_keep_their_order(broker, make):
    sent = [event for _ in range(60) for event in leave(make)]
    before = len(os.listdir("/proc/self/fd"))
    audit = make(broker.address)
    sent.append(emit(audit))
    most = before
    deadline = time.monotonic() + 30
    while audit.spooled and time.monotonic() < deadline:
        most = max(most, len(os.listdir("/proc/self/fd")))
        time.sleep(0.005)
    assert ids(broker.records(61)) == sent
    assert most - before < 60


def test_counters_may_be_read_in_a_signal_handler(tmp_path):
    process = child(
        """
        a = P(spool="memory", buffer_events=10_000_000, buffer_kilobytes=2_000_000)
        E(a)
        def handle(*_):
            a.flush(0), a.counters()
            signal.setitimer(signal.ITIMER_REAL, 0.0003)
        signal.signal(signal.SIGALRM, handle)
        signal.setitimer(signal.ITIMER_REAL, 0.0003)
        end = time.monotonic() + 2
        while time.monotonic() < end:
            a.counters()
            E(a)
        os._exit(0)
        """,
        NOWHERE,
        tmp_path,
    )
    _out, said = process.communicate(timeout=20)
    assert process.returncode == 0, said


@pytest.mark.parametrize("name", ["abc.frames", "00000001 (copy).frames", "00000009.frames/"])
def test_an_odd_name_in_a_lane_is_no_obstacle(broker, make, tmp_path, name):
    sent = leave(make)
    (lane,) = (tmp_path / "spool" / "lanes").iterdir()
    (lane / name).mkdir() if name.endswith("/") else (lane / name).write_bytes(b"x")
    audit = make(broker.address)
    sent.append(emit(audit))
    eventually(lambda: audit.spooled == 0)
    assert ids(broker.records(2)) == sent


def test_a_link_is_not_followed(broker, make, tmp_path):
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious" * 10)
    leave(make)
    (lane,) = (tmp_path / "spool" / "lanes").iterdir()
    (lane / "lane").unlink()
    (lane / "lane").symlink_to(victim)
    (lane / "00000008.frames").symlink_to(victim)
    audit = make(broker.address)
    assert emit(audit) in ids(broker.records(1))
    assert victim.read_bytes() == b"precious" * 10


def test_a_folder_that_others_may_write_to_is_not_used(make, tmp_path, caplog):
    (tmp_path / "spool" / "lanes").mkdir(parents=True)
    (tmp_path / "spool" / "lanes").chmod(0o777)
    audit = make()
    emit(audit)
    assert not list((tmp_path / "spool" / "lanes").iterdir())
    assert "others may write to it" in caplog.text


def test_a_callback_hears_of_its_own_event(broker, make):
    left = leave(make, 50)
    told = []
    audit = make(broker.address)
    own = emit(audit, on_delivery=told.append)
    eventually(lambda: told)
    eventually(lambda: audit.spooled == 0)
    assert [d.event_id for d in told] == [own]
    assert set(ids(broker.records(51))) == {own, *left}


class Broken(logging.Handler):
    """A log server that is away."""

    def emit(self, _record):
        raise OSError


def test_a_log_handler_that_fails_costs_no_event(broker, make, monkeypatch):
    handler = Broken()
    logger = logging.getLogger("orgtrail")
    logger.addHandler(handler)
    try:
        audit = make(broker.address)
        sent = [emit(audit)]
        assert audit.flush(10) == 0
        sender = audit._engine._sender
        sender._drop_in_flight()
        connect, failures = sender._connect, [OSError("no")]

        def connect_after_a_failure(hear):
            if failures:
                raise failures.pop()
            return connect(hear)

        sender._connect = connect_after_a_failure
        sent.append(emit(audit))
        assert audit.flush(20) == 0
    finally:
        logger.removeHandler(handler)
    assert list(dict.fromkeys(ids(broker.records(2)))) == sent


def test_memory_that_is_lost_at_the_end_is_said(tmp_path):
    process = child("a = P(spool='memory')\nfor _ in range(50): E(a)", NOWHERE, tmp_path)
    _, errors = process.communicate(timeout=30)
    assert "50 events are lost" in errors


def test_what_is_emitted_after_the_end_is_said_or_kept(broker, make, tmp_path):
    """In an atexit handler that was registered before the SDK was imported, so it runs after ours."""
    code = """
import atexit, sys
atexit.register(lambda: print(a.emit("user.login", org_id="acme", actor=Actor(id="1")), flush=True))
from orgtrail import Actor, AuditProducer, ProducerSettings
settings = {"kafka_brokers": sys.argv[1], "spool_dir": sys.argv[2], "spool": sys.argv[3]}
a = AuditProducer(ProducerSettings.load(close_seconds=1, **settings))
"""
    for where, said in [("memory", "events are lost"), ("disk", "")]:
        arguments = [sys.executable, "-c", code, NOWHERE, str(tmp_path / "spool"), where]
        done = subprocess.run(arguments, capture_output=True, text=True, check=False)
        assert said in done.stderr
        kept = done.stdout.split()
    audit = make(broker.address)
    eventually(lambda: audit.spooled == 0)
    assert ids(broker.records(1)) == kept


def test_a_producer_that_nobody_holds_delivers(broker, tmp_path):
    process = child("for _ in range(50): E(P(spool='memory'))", broker.address, tmp_path)
    process.communicate(timeout=60)
    assert len(broker.records(50)) == 50


def test_processes_of_several_topics_may_share_a_folder(broker, make):
    broker.do("topic", "other.topic")
    leave(make, topic="other.topic")
    audit = make(broker.address)
    own = emit(audit)
    assert audit.flush(10) == 0
    time.sleep(1.5)
    assert ids(broker.records(1)) == [own]
    other = make(broker.address, topic="other.topic")
    eventually(lambda: other.spooled == 0)
    assert len(broker.records(1, topic="other.topic")) == 1


def test_a_child_of_a_fork_holds_no_lock_of_its_parent(broker, make, tmp_path):
    process = child(
        """
        a = P()
        for _ in range(20):
            say(E(a))
        if os.fork() == 0:
            time.sleep(30)
            os._exit(0)
        os.kill(os.getpid(), signal.SIGKILL)
        """,
        NOWHERE,
        tmp_path / "spool",
    )
    sent = [process.stdout.readline().strip() for _ in range(20)]
    assert process.wait(20) == -signal.SIGKILL
    audit = make(broker.address)
    eventually(lambda: audit.spooled == 0, 10)
    assert ids(broker.records(20)) == sent


def test_a_record_that_cannot_even_be_sent_is_set_aside(broker, make, tmp_path):
    from orgtrail.delivery.frames import frame
    from orgtrail.envelope import Envelope

    lane = Lane.create(tmp_path / "spool", "audit.events.v1", "0000000000000-1-x")
    segment = lane.new_segment(1, 10_000)
    segment.append(frame(Envelope(1, 0, "acme", b"x", "id", "user.login", "s", 10**18)))
    segment.close()
    lane.close()
    audit = make(broker.address)
    own = emit(audit)
    assert audit.flush(20) == 0
    eventually(lambda: audit.spooled == 0)
    assert ids(broker.records(1)) == [own]
    assert audit.counters().set_aside == 1


def test_a_time_limit_of_a_task_is_not_swallowed(make):
    class SoftTimeLimitError(Exception):
        """As Celery's and RQ's."""

    def targets():
        raise SoftTimeLimitError
        yield

    with pytest.raises(SoftTimeLimitError):
        emit(make(), targets=targets())


def test_a_hook_that_returns_nonsense_stops_no_event(broker, make, caplog):
    from msgspec.structs import replace

    answers = iter([{}, True, "x"])
    audit = make(
        broker.address,
        before_send=lambda event: next(answers, replace(event, outcome=5)),
    )
    sent = [emit(audit) for _ in range(4)]
    assert audit.flush(10) == 0
    assert ids(broker.records(4)) == sent


def test_each_organization_has_metadata_of_its_own(make):
    from orgtrail.testing import Recorder

    def hook(event):
        event.metadata["own"] = event.org_id
        return event

    with Recorder() as recorded:
        audit = make(before_send=hook)
        emit(audit, org=["a", "b"], metadata={"x": "y"})
    assert [event.metadata["own"] for event in recorded.events] == ["a", "b"]


async def test_a_confirmation_that_needs_no_waiting(make):
    synced = make(spool_fsync_ms=0)
    assert await synced.emit_confirmed("user.login", org_id="acme", actor=ALICE, seconds=0.5)
    dropped = make(before_send=lambda _event: None)
    assert await dropped.emit_confirmed("user.login", org_id="acme", actor=ALICE, seconds=0.5)


def test_a_client_that_cannot_be_made_is_not_healthy(make, monkeypatch):
    import orgtrail.producer as producer_module

    monkeypatch.setattr(producer_module, "_HEALTHY_AGE_S", 0.3)
    audit = make()
    emit(audit)
    eventually(lambda: not audit.healthy(), 5)
    assert audit.trouble


def test_a_thread_that_could_not_start_is_tried_again(broker, make, monkeypatch):
    from orgtrail.delivery.worker import Worker

    real, refusals = Worker.start, [1, 1, 1]
    monkeypatch.setattr(
        Worker, "start", lambda self: False if refusals and refusals.pop() else real(self)
    )
    audit = make(broker.address)
    sent = [emit(audit)]
    assert audit.trouble == "no thread could be started"
    sent += [emit(audit) for _ in range(3)]
    assert audit.flush(10) == 0
    assert ids(broker.records(4)) == sent


def test_a_close_during_a_slow_roll_loses_nothing(broker, make, monkeypatch):
    """The disk is slow while an event waits for its first file, and another thread closes."""
    audit = make(broker.address)
    rolling, closed = threading.Event(), threading.Event()
    next_segment, roll = Journal._next_segment, Journal._roll

    def slowly(journal, *arguments):
        rolling.set()
        time.sleep(0.08)
        return next_segment(journal, *arguments)

    def roll_and_wait(journal, *arguments):
        roll(journal, *arguments)
        closed.wait(1)

    monkeypatch.setattr(Journal, "_next_segment", slowly)
    monkeypatch.setattr(Journal, "_roll", roll_and_wait)
    sent = []
    thread = threading.Thread(target=lambda: sent.append(emit(audit)), daemon=True)
    thread.start()
    assert rolling.wait(5)
    monkeypatch.setattr(Journal, "_next_segment", next_segment)
    audit.close(0)
    time.sleep(0.3)
    closed.set()
    thread.join(5)
    assert not thread.is_alive()
    sent.append(emit(audit))
    assert audit.flush(20) == 0
    eventually(lambda: audit.spooled == 0)
    assert sorted(set(ids(broker.records(2)))) == sorted(sent)


def test_order_holds_while_another_thread_closes(broker, make):
    audit = make(broker.address)
    sent, stop = [], threading.Event()

    def close():
        while not stop.is_set():
            audit.close(0)
            time.sleep(0.02)

    thread = threading.Thread(target=close)
    thread.start()
    for _ in range(500):
        sent.append(emit(audit))
        time.sleep(0.002)
    stop.set()
    thread.join()
    # What a closed producer left is delivered when it goes on.
    sent.append(emit(audit))
    assert audit.flush(20) == 0
    eventually(lambda: audit.spooled == 0)
    assert list(dict.fromkeys(ids(broker.records(501)))) == sent


def test_a_relative_folder_stays_where_it_was(make, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    settings = ProducerSettings.load(kafka_brokers=NOWHERE, spool_dir="here")
    monkeypatch.chdir("/")
    assert settings.spool_folder() == tmp_path / "here"


def test_counters_after_the_end(broker, make):
    audit = make()
    for _ in range(10):
        emit(audit)
    audit.close(0)
    assert audit.counters().accepted == 10
    assert audit.counters().waiting == 10


def test_a_closed_producer_leaves_no_thread_and_no_descriptor(broker, make):
    emit(make(broker.address))
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(10):
        audit = make(broker.address)
        emit(audit)
        audit.close(5)
    eventually(lambda: len(os.listdir("/proc/self/fd")) - before < 10)


def test_descriptors_that_run_out_stop_nobody_for_ever(broker, tmp_path):
    process = child(
        """
        import resource
        a = P()
        E(a)
        a.flush(10)
        resource.setrlimit(resource.RLIMIT_NOFILE, (len(os.listdir("/proc/self/fd")), 4096))
        for _ in range(3000):
            E(a)
        resource.setrlimit(resource.RLIMIT_NOFILE, (4096, 4096))
        say(a.flush(20), a.counters().accepted)
        """,
        broker.address,
        tmp_path / "spool",
    )
    out, errors = process.communicate(timeout=60)
    assert out.split() == ["0", "3001"], errors


def test_secrets_inside_of_values_are_redacted(make):
    from orgtrail import Change
    from orgtrail.testing import Recorder

    with Recorder() as recorded:
        emit(
            make(),
            changes=[
                Change(field="settings", new={"password": "hunter2", "a": [{"apiKey": "h2"}]})
            ],
            metadata={"body": {"user": {"token": "hunter2"}}, "\uff50assword": "hunter2"},
        )
    assert "hunter2" not in repr(recorded.events)
    assert "h2" not in repr(recorded.events[0].changes)


def test_times_at_the_ends_of_time_are_text(make):
    from datetime import datetime, timedelta, timezone

    from orgtrail import Actor

    late = datetime.max.replace(tzinfo=timezone(-timedelta(hours=1)))
    assert make(disabled=True).emit("user.login", org_id="a", actor=Actor(id=late))


def test_the_spool_of_an_earlier_version_is_named(make, tmp_path, caplog):
    (tmp_path / "spool").mkdir()
    (tmp_path / "spool" / "spool.sqlite3").write_bytes(b"")
    emit(make())
    assert "spool.sqlite3 may hold events of an earlier version" in caplog.text


def test_what_others_left_waits_from_the_beginning(broker, make):
    (left,) = leave(make)
    audit = make(broker.address)
    assert audit.spooled == 1
    eventually(lambda: audit.spooled == 0)
    assert ids(broker.records(1)) == [left]
