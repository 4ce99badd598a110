"""The end: close and flush keep to their time, beside threads, forks and signals."""

import signal
import threading
import time

import pytest
from tests.support.mock_broker import ids
from tests.support.running import eventually
from tests.unit.producers.delivery.conftest import NOWHERE, child, emit


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
    eventually(lambda: audit.spooled == 0)
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
