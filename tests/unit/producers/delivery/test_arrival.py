"""Once emit returns, the event arrives: in order, over outages, kills and bugs of callbacks."""

import gc
import logging
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time

import pytest
from tests.support.mock_broker import ids
from tests.unit.producers.delivery.conftest import ALICE, NOWHERE, emit

from orgtrail import BufferFullError, SpoolFullError, Target, UndeliveredError

TOO_LARGE = 10
INVALID_RECORD = 87
UNKNOWN_TOPIC = 3
NOT_AUTHORIZED = 29
OUT_OF_ORDER = 45


def child(code, *arguments):
    """Run a program that emits; ``P`` makes a producer and ``E`` emits."""
    program = textwrap.dedent(
        """
        import os, signal, sys, threading, time
        from orgtrail import *
        brokers, spool, *more = sys.argv[1:]
        def P(**k):
            return AuditProducer(ProducerSettings.load(kafka_brokers=brokers, spool_dir=spool, **k))
        def E(a, **k):
            return a.emit("user.login", org_id="acme", actor=Actor(id="u-1"), **k)
        def say(*words):
            os.write(1, (" ".join(map(str, words)) + "\\n").encode())
        """
    ) + textwrap.dedent(code)
    return subprocess.Popen(
        [sys.executable, "-c", program, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_events_arrive_in_order_over_an_outage(broker, make):
    audit = make(broker.address)
    sent = [emit(audit) for _ in range(300)]
    assert audit.flush(10) == 0
    broker.down()
    sent += [emit(audit) for _ in range(900)]
    assert audit.flush(0.5) == 900
    broker.up()
    sent += [emit(audit) for _ in range(300)]
    assert audit.flush(20) == 0
    assert ids(broker.records(1500)) == sent
    counted = audit.counters()
    assert (counted.accepted, counted.acknowledged, counted.waiting) == (1500, 1500, 0)
    assert audit.healthy()


def test_no_event_is_dropped_by_age(broker, make, caplog):
    broker.down()
    audit = make(broker.address)
    sent = [emit(audit) for _ in range(40)]
    time.sleep(6)
    assert audit.counters().waiting == 40
    assert [r.message for r in caplog.records if "does not accept events" in r.message]
    broker.up()
    assert audit.flush(20) == 0
    assert ids(broker.records(40)) == sent


@pytest.mark.parametrize(
    "end", ["os.kill(os.getpid(), signal.SIGKILL)", "os._exit(3)", "sys.exit()"]
)
def test_a_process_that_ends_during_an_outage_loses_nothing(broker, make, tmp_path, end):
    broker.down()
    process = child(
        f"""
        a = P()
        for _ in range(500):
            say(E(a))
        {end}
        """,
        broker.address,
        tmp_path / "spool",
    )
    out, _ = process.communicate(timeout=30)
    sent = out.split()
    assert len(sent) == 500
    broker.up()
    audit = make(broker.address)
    sent.append(emit(audit))
    assert audit.flush(20) == 0
    _until(lambda: audit.spooled == 0)
    assert ids(broker.records(501)) == sent


def test_a_plain_exit_waits_for_kafka(broker, tmp_path):
    process = child("a = P()\nfor _ in range(200): E(a)\n", broker.address, tmp_path / "spool")
    _, errors = process.communicate(timeout=30)
    assert (process.returncode, errors) == (0, "")
    assert len(broker.records(200)) == 200


def test_a_living_sibling_delivers_what_a_dead_one_left(broker, make, tmp_path):
    audit = make(broker.address)
    emit(audit)
    process = child(
        """
        brokers = "127.0.0.1:1"
        a = P()
        for _ in range(100):
            say(E(a))
        os.kill(os.getpid(), signal.SIGKILL)
        """,
        broker.address,
        tmp_path / "spool",
    )
    sent = set(process.communicate(timeout=30)[0].split())
    assert len(sent) == 100
    assert sent <= set(ids(broker.records(101)))
    _until(lambda: not [p for p in (tmp_path / "spool" / "lanes").iterdir() if "retry" in p.name])


def test_a_callback_that_raises_stops_nothing(broker, make, caplog):
    def tell(_delivery):
        raise SystemExit

    audit = make(broker.address, on_delivery=tell)
    sent = [emit(audit) for _ in range(100)]
    assert audit.flush(10) == 0
    sent += [emit(audit, on_delivery=lambda _d: 1 / 0) for _ in range(100)]
    assert audit.flush(10) == 0
    assert ids(broker.records(200)) == sent
    said = [r.message for r in caplog.records if "on_delivery raised" in r.message]
    assert said
    assert len(said) < 3


def test_callbacks_tell_what_became_of_an_event(broker, make):
    told, own, threads = [], [], set()

    def tell(delivery):
        threads.add(threading.get_ident())
        told.append(delivery)

    audit = make(broker.address, on_delivery=tell)
    event = emit(audit, org=["acme", "globex"], on_delivery=own.append)
    assert audit.flush(10) == 0
    assert told == own
    assert sorted(told) == [
        (event, "acme", "acknowledged", None),
        (event, "globex", "acknowledged", None),
    ]
    assert threading.get_ident() not in threads


def test_a_callback_may_flush_emit_and_close(broker, tmp_path):
    process = child(
        """
        def tell(delivery):
            a.flush(0.1)
            if len(told) < 5:
                E(a)
            told.append(delivery)
            if len(told) == 10:
                a.close(0.1)
        told = []
        a = AuditProducer(ProducerSettings.load(kafka_brokers=brokers, spool_dir=spool), on_delivery=tell)
        for _ in range(20):
            E(a)
        while len(told) < 10:
            time.sleep(0.01)
        say("fine")
        """,
        broker.address,
        tmp_path / "spool",
    )
    out, errors = process.communicate(timeout=30)
    assert (process.returncode, out) == (0, "fine\n"), errors


@pytest.mark.parametrize("code", [UNKNOWN_TOPIC, NOT_AUTHORIZED])
def test_what_kafka_says_of_itself_is_an_outage(broker, make, code, caplog):
    broker.fail_produce(code, 3)
    audit = make(broker.address)
    sent = [emit(audit) for _ in range(50)]
    assert audit.flush(30) == 0
    assert list(dict.fromkeys(ids(broker.records(50)))) == sent
    assert audit.counters().set_aside == 0


def test_a_sequence_that_kafka_does_not_know_makes_new_clients(broker, tmp_path):
    """librdkafka calls it fatal for its client; the process goes on with another."""
    broker.fail_produce(OUT_OF_ORDER, 3)
    process = child(
        """
        with P() as a:
            sent = [E(a) for _ in range(50)]
            left = a.flush(30)
            say(left, a.counters().set_aside, *sent)
        """,
        broker.address,
        tmp_path / "spool",
    )
    out, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    left, set_aside, *sent = out.split()
    assert (left, set_aside, len(sent)) == ("0", "0", 50)
    assert list(dict.fromkeys(ids(broker.records(50)))) == sent


def test_a_fatal_error_makes_a_new_client(broker, make):
    import ctypes
    from pathlib import Path

    import confluent_kafka

    audit = make(broker.address)
    sent = [emit(audit)]
    assert audit.flush(10) == 0
    client = audit._engine._sender._client._producer
    library = next(
        Path(confluent_kafka.__file__).parent.parent.glob("confluent_kafka.libs/librdkafka-*.so*")
    )
    handle = ctypes.cast(id(client) + 16, ctypes.POINTER(ctypes.c_void_p))[0]
    ctypes.CDLL(str(library)).rd_kafka_test_fatal_error(ctypes.c_void_p(handle), 31, b"x")
    sent += [emit(audit) for _ in range(20)]
    assert audit.flush(20) == 0
    assert ids(broker.records(21)) == sent


@pytest.mark.parametrize("code", [TOO_LARGE, INVALID_RECORD])
def test_a_record_that_kafka_refuses_for_itself_holds_nobody_up(broker, make, code, caplog):
    from orgtrail.delivery.set_aside import aside_folder, read_refused

    broker.down()
    told = []
    audit = make(broker.address, on_delivery=told.append)
    sent = [emit(audit) for _ in range(5)]
    # The whole batch is refused first, and then the first record that is sent alone.
    broker.fail_produce(code, 2)
    broker.up()
    sent += [emit(audit) for _ in range(5)]
    assert audit.flush(30) == 0
    refused = [d for d in told if d.state == "set_aside"]
    arrived = ids(broker.records(10 - len(refused)))
    assert audit.counters().set_aside == len(refused) > 0
    assert set(arrived) | {d.event_id for d in refused} == set(sent)
    kept = [read_refused(p) for p in aside_folder(audit._settings.spool_folder()).glob("*.refused")]
    assert {k.envelope.event_id for k in kept} == {d.event_id for d in refused}
    assert [
        r for r in caplog.records if r.levelno == logging.ERROR and "was set aside" in r.message
    ]


def test_in_memory_a_refused_record_is_a_loss_that_is_said(broker, make, caplog):
    broker.fail_produce(INVALID_RECORD, 1)
    audit = make(broker.address, spool="memory")
    event = emit(audit)
    assert audit.flush(10) == 0
    assert audit.counters().lost == 1
    assert not audit.healthy()
    assert [r for r in caplog.records if r.levelno == logging.ERROR and event in r.message]


def test_memory_is_bounded_and_its_loss_is_an_error(make, caplog):
    audit = make(spool="memory", buffer_events=3)
    for _ in range(3):
        emit(audit)
    with pytest.raises(BufferFullError, match="in-memory buffer is full"):
        emit(audit)
    with pytest.raises(UndeliveredError) as lost:
        audit.close(0.1)
    assert lost.value.count == 3
    assert audit.counters().lost == 3
    assert [
        r for r in caplog.records if r.levelno == logging.ERROR and "3 events are lost" in r.message
    ]


def test_memory_is_bounded_in_bytes(make):
    audit = make(spool="memory", buffer_kilobytes=200)
    big = {str(n): "x" * 1000 for n in range(50)}
    with pytest.raises(BufferFullError):
        for _ in range(40):
            emit(audit, metadata=big)


def test_the_spool_is_bounded(make, tmp_path):
    audit = make(spool_megabytes=1)
    big = {str(n): "x" * 1000 for n in range(50)}
    with pytest.raises(SpoolFullError, match="is full"):
        for _ in range(40):
            emit(audit, metadata=big)
    assert _size(tmp_path / "spool") <= 1_000_000


def test_processes_keep_one_bound(tmp_path):
    children = [
        child(
            """
            a = P(spool_megabytes=1)
            taken = 0
            try:
                while True:
                    E(a)
                    taken += 1
            except SpoolFullError:
                say(taken)
                os._exit(0)
            """,
            NOWHERE,
            tmp_path / "spool",
        )
        for _ in range(4)
    ]
    taken = [int(c.communicate(timeout=60)[0]) for c in children]
    assert sum(taken) > 1000
    assert 800_000 < _size(tmp_path / "spool") <= 1_000_000


def test_a_bound_refuses_all_organizations_of_an_event_or_none(make):
    audit = make(spool="memory", buffer_events=2)
    emit(audit)
    emit(audit)
    with pytest.raises(BufferFullError):
        emit(audit, org=["a", "b"])
    assert audit.counters().accepted == 2


def test_an_event_larger_than_any_topic_takes_is_refused_at_the_call(make):
    from orgtrail import InvalidEventError

    audit = make()
    huge = [Target(type="user", name="x" * 4000) for _ in range(300)]
    with pytest.raises(InvalidEventError, match="larger than"):
        emit(audit, targets=huge)
    assert audit.counters().accepted == 0


def test_a_disk_that_hangs_on_sync_holds_nobody_up(make, monkeypatch):
    monkeypatch.setattr(os, "fdatasync", lambda _fd: time.sleep(3))
    audit = make()
    began = time.monotonic()
    for _ in range(200):
        emit(audit)
    assert time.monotonic() - began < 2


def test_fsync_before_emit_returns_when_asked(make, monkeypatch):
    synced = []
    real = os.fdatasync
    monkeypatch.setattr(
        os, "fdatasync", lambda fd: (synced.append(threading.get_ident()), real(fd))
    )
    audit = make(spool_fsync_ms=0)
    emit(audit)
    assert synced == [threading.get_ident()]


def test_waiting_events_are_synced_by_a_thread(make, monkeypatch):
    synced = []
    real = os.fdatasync
    monkeypatch.setattr(
        os, "fdatasync", lambda fd: (synced.append(threading.get_ident()), real(fd))
    )
    audit = make()
    emit(audit)
    _until(lambda: synced)
    assert threading.get_ident() not in synced


def test_a_full_disk_is_said_and_memory_takes_over_and_gives_back(
    broker, make, monkeypatch, caplog
):
    import orgtrail.delivery.journal as journal
    import orgtrail.delivery.segments as segments

    monkeypatch.setattr(journal, "_TRY_DISK_AGAIN_S", 0.5)
    broker.down()
    audit = make(broker.address)
    sent = [emit(audit) for _ in range(10)]
    real_open, real_write, full = os.open, os.write, [True]

    def no_room(*_arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(
        segments.os, "write", lambda fd, data: no_room() if full[0] else real_write(fd, data)
    )
    monkeypatch.setattr(
        segments.os,
        "open",
        lambda path, flags, *mode: (
            no_room() if full[0] and flags & os.O_CREAT else real_open(path, flags, *mode)
        ),
    )
    sent += [emit(audit) for _ in range(10)]
    assert [
        r for r in caplog.records if r.levelno == logging.ERROR and "No space left" in r.message
    ]
    full[0] = False
    time.sleep(2)
    sent += [emit(audit) for _ in range(10)]
    assert [r for r in caplog.records if "can be written again" in r.message]
    broker.up()
    assert audit.flush(20) == 0
    assert ids(broker.records(30)) == sent


def test_a_folder_that_cannot_be_used_never_stops_a_start(broker, make, tmp_path, caplog):
    (tmp_path / "file").write_text("")
    audit = make(broker.address, spool_dir=tmp_path / "file")
    event = emit(audit)
    assert audit.flush(10) == 0
    assert ids(broker.records(1)) == [event]
    said = [r.message for r in caplog.records if r.levelno == logging.ERROR]
    assert len(said) == 1
    assert "ORGTRAIL_SPOOL_DIR" in said[0]


def test_a_spool_that_is_removed_is_noticed(broker, make, tmp_path, caplog):
    import shutil

    broker.down()
    audit = make(broker.address)
    sent = [emit(audit) for _ in range(10)]
    shutil.rmtree(tmp_path / "spool")
    _until(lambda: [r for r in caplog.records if "was removed" in r.message])
    sent += [emit(audit) for _ in range(10)]
    assert list((tmp_path / "spool" / "lanes").iterdir())
    broker.up()
    assert audit.flush(20) == 0
    assert ids(broker.records(20)) == sent


def test_files_are_private(make, tmp_path):
    emit(make())
    for path in (tmp_path / "spool").rglob("*"):
        assert path.stat().st_mode & 0o077 == 0, path
    assert (tmp_path / "spool").stat().st_mode & 0o077 == 0


def test_the_default_folder_is_the_users_own(monkeypatch, tmp_path, broker):
    from orgtrail import AuditProducer, ProducerSettings

    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    audit = AuditProducer(ProducerSettings.load(kafka_brokers=NOWHERE))
    emit(audit)
    audit.close(0)
    (folder,) = (tmp_path / "state" / "orgtrail" / "spool").iterdir()
    assert folder.stat().st_mode & 0o777 == 0o700
    # Another destination is another folder: it must not deliver to the wrong Kafka.
    other = AuditProducer(ProducerSettings.load(kafka_brokers=broker.address))
    emit(other)
    assert other.flush(10) == 0
    assert len(broker.records(1)) == 1


@pytest.mark.parametrize("seconds", [0, 0.3, 1])
def test_close_and_flush_keep_to_their_time(make, seconds):
    def slow(_delivery):
        time.sleep(1)

    audit = make(on_delivery=slow)
    for _ in range(20_000):
        emit(audit)
    for end in (audit.flush, audit.close):
        began = time.monotonic()
        end(seconds)
        assert time.monotonic() - began < seconds + 0.3


def test_close_keeps_to_its_time_with_a_slow_callback(broker, make):
    audit = make(broker.address, on_delivery=lambda _d: time.sleep(0.5))
    for _ in range(50):
        emit(audit)
    began = time.monotonic()
    audit.close(1)
    assert time.monotonic() - began < 1.3


def test_an_event_after_close_is_taken_and_arrives(broker, make):
    audit = make(broker.address)
    sent = [emit(audit)]
    audit.close()
    sent.append(emit(audit))
    assert audit.flush(10) == 0
    assert ids(broker.records(2)) == sent


def test_events_that_race_close_are_stored(broker, make):
    audit = make(broker.address)
    sent, stop = [], threading.Event()

    def work():
        while not stop.is_set():
            sent.append(emit(audit))
            # The mock broker keeps 5 MB of a partition.
            time.sleep(0.001)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(10):
        time.sleep(0.05)
        audit.close(2)
    stop.set()
    for thread in threads:
        thread.join()
    assert audit.flush(20) == 0
    _until(lambda: audit.spooled == 0)
    assert set(ids(broker.records(len(sent)))) == set(sent)


def test_threads_share_a_producer(broker, make):
    audit = make(broker.address)
    sent = [[] for _ in range(16)]

    def work(mine, number):
        for _ in range(500):
            mine.append(emit(audit, org=f"org-{number}"))

    threads = [threading.Thread(target=work, args=(m, n)) for n, m in enumerate(sent)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert audit.flush(20) == 0
    found = broker.records(8000)
    assert len(found) == 8000
    for number, mine in enumerate(sent):
        assert ids([r for r in found if r.key() == f"org-{number}".encode()]) == mine


def test_a_fork_while_threads_emit_leaves_no_lock_behind(broker, tmp_path):
    process = child(
        """
        a = P()
        stop = False
        def work():
            while not stop:
                E(a)
                time.sleep(0.001)
        threads = [threading.Thread(target=work) for _ in range(4)]
        for t in threads:
            t.start()
        ended = 0
        for _ in range(20):
            time.sleep(0.01)
            pid = os.fork()
            if pid == 0:
                for _ in range(5):
                    say(E(a))
                a.close(5)
                os._exit(0)
            ended += os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
        stop = True
        for t in threads:
            t.join()
        a.close(5)
        print(ended, file=sys.stderr)
        """,
        broker.address,
        tmp_path / "spool",
    )
    out, errors = process.communicate(timeout=120)
    assert errors.split()[-1] == "20", errors
    sent = set(out.split())
    assert len(sent) == 100
    assert sent <= set(ids(broker.records(100)))


@pytest.mark.parametrize("brokers", ["nowhere", "broker"])
def test_a_signal_handler_may_close_and_emit(broker, tmp_path, brokers):
    for _ in range(5):
        process = child(
            """
            a = P()
            def end(*_):
                say(E(a))
                a.close(0.5)
                os._exit(7)
            signal.signal(signal.SIGTERM, end)
            say("ready")
            while True:
                E(a)
            """,
            broker.address if brokers == "broker" else NOWHERE,
            tmp_path / f"spool-{brokers}",
        )
        assert process.stdout.readline() == "ready\n"
        time.sleep(0.2)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=10)
        assert process.returncode == 7


def test_waiting_events_are_no_work_for_the_collector(make):
    audit = make()
    for _ in range(10):
        emit(audit)
    time.sleep(1)
    gc.collect()
    before = len(gc.get_objects())
    for _ in range(5_000):
        emit(audit)
    time.sleep(1)
    gc.collect()
    # Those of the batches that are on their way, however many wait behind them.
    assert len(gc.get_objects()) - before < 1_000


def test_before_send_may_change_or_drop_an_event(broker, make, caplog):
    from msgspec.structs import replace

    def hook(event):
        if event.org_id == "internal":
            return None
        if event.org_id == "broken":
            raise ValueError
        return replace(event, metadata={"region": "eu"})

    audit = make(broker.address, before_send=hook)
    emit(audit, org="internal")
    emit(audit, org="broken")
    emit(audit, org="acme")
    assert audit.flush(10) == 0
    found = {r.key() for r in broker.records(2)}
    assert found == {b"broken", b"acme"}
    assert "before_send failed" in caplog.text


async def test_a_confirmed_event_is_on_disk_or_acknowledged(broker, make):
    from orgtrail import UnconfirmedError

    broker.down()
    on_disk = make(broker.address)
    event = await on_disk.emit_confirmed("user.login", org_id="acme", actor=ALICE)
    assert event
    in_memory = make(broker.address, spool="memory")
    with pytest.raises(UnconfirmedError, match="neither on disk nor acknowledged"):
        await in_memory.emit_confirmed("user.login", org_id="acme", actor=ALICE, seconds=0.3)
    broker.up()
    assert await in_memory.emit_confirmed("user.login", org_id="acme", actor=ALICE, seconds=15)


def test_disabled_sends_nothing_and_still_checks(make, tmp_path):
    from orgtrail import InvalidEventError

    audit = make(disabled=True)
    assert emit(audit)
    with pytest.raises(InvalidEventError):
        emit(audit, outcome="maybe")
    assert not (tmp_path / "spool").exists()


def test_check_names_the_broker_and_the_topic(broker, make):
    from orgtrail import UnreachableError

    make(broker.address).check()
    with pytest.raises(UnreachableError, match=r"127\.0\.0\.1:1"):
        make(NOWHERE).check(1)


def _until(ask, seconds=15):
    deadline = time.monotonic() + seconds
    while not ask():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def _size(folder):
    return sum(p.stat().st_size for p in folder.rglob("*") if p.is_file())
