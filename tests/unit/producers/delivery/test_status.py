"""Counters without a lock, and log lines that do not flood."""

import logging
import threading

import pytest

from orgtrail.delivery.status import Counter, Notices, say


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def notices(clock):
    return Notices(clock)


def messages(caplog):
    return [record.getMessage() for record in caplog.records]


def test_reading_a_counter_does_not_count():
    counter = Counter()
    assert [counter.value(), counter.value()] == [0, 0]
    assert [counter.add(), counter.add()] == [1, 2]
    assert [counter.value(), counter.value()] == [2, 2]


def test_threads_count_together_and_each_gets_its_own_number():
    counter, seen = Counter(), []
    threads = [
        threading.Thread(target=lambda: seen.extend(counter.add() for _ in range(5_000)))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counter.value() == 20_000
    assert sorted(seen) == list(range(1, 20_001))


def test_a_line_of_a_kind_is_logged_once_a_minute_and_the_others_counted(notices, clock, caplog):
    for _ in range(4):
        notices.say(logging.ERROR, "full", "the disk %s is full", "sda")
        clock.now += 19
    assert messages(caplog) == ["the disk sda is full"]
    notices.say(logging.ERROR, "full", "the disk %s is full", "sda")
    assert len(messages(caplog)) == 2
    assert "3" in messages(caplog)[1]
    clock.now += 60
    notices.say(logging.ERROR, "full", "the disk %s is full", "sda")
    assert messages(caplog)[2] == "the disk sda is full"


def test_kinds_do_not_hold_each_other_back(notices, caplog):
    notices.say(logging.ERROR, "a", "first")
    notices.say(logging.WARNING, "b", "second")
    assert [(r.levelno, r.getMessage()) for r in caplog.records] == [
        (logging.ERROR, "first"),
        (logging.WARNING, "second"),
    ]


def test_the_first_line_is_logged_even_right_after_the_machine_started(caplog):
    Notices(lambda: 0.0).say(logging.ERROR, "a", "first")
    assert messages(caplog) == ["first"]


def test_after_an_end_the_next_line_is_logged_at_once(notices, caplog):
    assert not notices.clear("a")
    notices.say(logging.ERROR, "a", "broken")
    notices.say(logging.ERROR, "a", "broken")
    assert notices.clear("a")
    assert not notices.clear("a")
    notices.say(logging.ERROR, "a", "broken")
    assert messages(caplog) == ["broken", "broken"]


def test_a_log_handler_that_raises_does_not_stop_the_sender(monkeypatch):
    class Handler(logging.Handler):
        def handle(self, _record):
            raise RuntimeError

    log = logging.getLogger("orgtrail")
    handler = Handler()
    log.addHandler(handler)
    try:
        say(logging.ERROR, "text %s", "value")
    finally:
        log.removeHandler(handler)
