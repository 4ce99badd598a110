"""The thread of the sender: it repeats its step, survives errors, wakes and stops."""

import threading
import time

import pytest
from tests.support.running import eventually

from orgtrail.delivery import worker as module
from orgtrail.delivery.worker import Worker


@pytest.fixture
def start(monkeypatch):
    """Start workers that are stopped at the end."""
    monkeypatch.setattr(module, "_AFTER_AN_ERROR_S", 0.01)
    made = []

    def start(step, ready=lambda: False, on_error=lambda _error: None, **more):
        worker = Worker(step, ready, on_error, **more)
        made.append(worker)
        assert worker.start()
        return worker

    yield start
    for worker in made:
        worker.stop(5)


def test_the_step_is_repeated_in_another_thread(start):
    threads = []
    start(lambda: threads.append(threading.get_ident()) or 0.001)
    eventually(lambda: len(threads) > 3)
    assert len(set(threads)) == 1
    assert threading.get_ident() not in threads


def test_waking_ends_a_wait(start):
    steps = []
    worker = start(lambda: steps.append(1) or 60)
    eventually(lambda: worker.idle)
    before = len(steps)
    worker.wake()
    eventually(lambda: len(steps) == before + 1)


def test_waking_twice_or_before_the_start_is_harmless():
    steps = []
    worker = Worker(lambda: steps.append(1) or 60, lambda: False, lambda _error: None)
    worker.wake()
    worker.wake()
    assert worker.start()
    eventually(lambda: worker.idle and len(steps) >= 1)
    assert worker.stop(5)


def test_work_that_came_before_the_wait_is_not_waited_for(start):
    steps = []
    start(lambda: steps.append(1) or 60, ready=lambda: True)
    eventually(lambda: len(steps) > 3)


@pytest.mark.parametrize("error", [ValueError, SystemExit, KeyboardInterrupt, MemoryError])
def test_an_error_is_reported_and_the_step_repeated(start, error):
    steps, errors = [], []

    def step():
        steps.append(1)
        raise error

    start(step, on_error=errors.append)
    eventually(lambda: len(steps) > 2)
    assert {type(one) for one in errors} == {error}


def test_a_report_that_raises_is_survived(start):
    steps = []

    def fail(*_given):
        steps.append(1)
        raise RuntimeError

    start(fail, on_error=lambda _error: 1 / 0)
    eventually(lambda: len(steps) > 2)


@pytest.mark.parametrize("fails", [False, True])
def test_the_end_runs_last_and_stopping_waits_for_it(start, fails):
    did, errors = [], []

    def end():
        time.sleep(0.05)
        did.append("end")
        if fails:
            raise ValueError

    worker = start(lambda: did.append("step") or 0.001, on_error=errors.append, at_end=end)
    eventually(lambda: did)
    assert worker.stop(5)
    assert did[-1] == "end"
    assert did.count("end") == 1
    assert len(errors) == fails
    assert worker.stop(0)


def test_a_step_that_hangs_is_not_waited_for_longer(start):
    hang = threading.Event()
    entered = threading.Event()
    worker = start(lambda: entered.set() or int(hang.wait(10)) * 0)
    assert entered.wait(5)
    assert not worker.stop(0.02)
    hang.set()
    assert worker.stop(5)


def test_a_worker_that_never_started_still_runs_its_end():
    did = []
    worker = Worker(lambda: 0, lambda: False, did.append, lambda: did.append("end"))
    assert worker.stop(0)
    assert did == ["end"]


def test_the_step_knows_its_own_thread_and_does_not_wait_for_itself(start):
    seen = []
    holder = []
    go = threading.Event()

    def step():
        go.wait(5)
        seen.append((holder[0].is_this_thread(), holder[0].stop(5)))
        return 0

    holder.append(start(step))
    go.set()
    eventually(lambda: seen)
    assert seen == [(True, False)]
    assert not holder[0].is_this_thread()


def test_an_interpreter_that_cannot_start_threads_is_told(monkeypatch):
    def refuse(*_given):
        raise RuntimeError("can't start new thread")

    worker = Worker(lambda: 0, lambda: False, lambda _error: None)
    monkeypatch.setattr(worker, "_start_thread", refuse)
    assert not worker.start()
    assert not worker.started


def test_a_second_start_starts_no_second_thread(start):
    threads = set()
    worker = start(lambda: threads.add(threading.get_ident()) or 0.001)
    assert worker.start()
    time.sleep(0.05)
    assert len(threads) == 1
