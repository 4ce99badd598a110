"""The journal: what ``append`` accepted is on disk or, when the disk fails, in memory, in order."""

import errno
import logging
import os
import shutil
from types import SimpleNamespace

import pytest

from orgtrail.delivery import journal as module
from orgtrail.delivery.frames import frame
from orgtrail.delivery.journal import Journal
from orgtrail.delivery.lane import Lane, Position, lane_folders
from orgtrail.delivery.queue import Queue
from orgtrail.delivery.status import Notices
from orgtrail.envelope import Envelope
from orgtrail.errors import BufferFullError, SpoolFullError

TOPIC = "audit.events.v1"


def framed(number, size=100):
    return frame(Envelope(number, 0, "acme", b"x" * size, f"id-{number}", "user.login", "svc", 0))


@pytest.fixture
def spool(tmp_path):
    return tmp_path / "spool"


@pytest.fixture
def make():
    made = []

    def make(spool, *, max_bytes=1 << 30, memory_bytes=1 << 20, memory_events=1_000):
        journal = Journal(
            spool, topic=TOPIC, max_bytes=max_bytes, memory_bytes=memory_bytes,
            memory_events=memory_events, notices=Notices(lambda: 0.0),
        )  # fmt: skip
        queue = Queue([], Position(), save=journal.save, on_damage=lambda *_given: None)
        journal.attach(queue)
        made.append((journal, queue))
        return SimpleNamespace(journal=journal, queue=queue)

    yield make
    for journal, queue in made:
        queue.close()
        journal.leave(empty=False)


def read(one):
    one.journal.finish()
    return tickets(one.queue)


def tickets(queue):
    found = []
    while batch := queue.read(1_000, 1 << 20):
        found += [envelope.ticket for envelope in batch.envelopes]
    return found


def test_nothing_is_created_before_the_first_event(make, spool):
    one = make(spool)
    assert not spool.exists()
    assert one.journal.append(1, framed(1))
    assert one.journal.on_disk
    assert len(lane_folders(spool, TOPIC)) == 1


def test_what_was_appended_outlives_the_process(make, spool):
    one = make(spool)
    for number in range(1, 4):
        one.journal.append(number, framed(number))
    one.journal.leave(empty=False)
    (path,) = lane_folders(spool, TOPIC)
    lane = Lane.adopt(path)
    left = Queue(lane.segments(), lane.position, save=lane.save, on_damage=lambda *_given: None)
    assert tickets(left) == [1, 2, 3]
    lane.close()


def test_a_lane_whose_events_were_delivered_is_removed(make, spool):
    one = make(spool)
    one.journal.append(1, framed(1))
    one.journal.leave(empty=True)
    assert lane_folders(spool, TOPIC) == []


def test_events_stay_in_order_over_segments_and_only_the_last_is_open(make, spool):
    one = make(spool)
    for number in range(1, 1_001):
        one.journal.append(number, framed(number, 200))
    one.journal.finish()
    finished = [segment.finished for segment in one.queue.segments]
    assert len(finished) > 2
    assert finished == [True] * (len(finished) - 1) + [False]
    assert read(one) == list(range(1, 1_001))


def test_a_segment_with_a_writer_is_not_finished(make, spool):
    one = make(spool)
    one.journal.append(1, framed(1))
    first = one.queue.segments[-1]
    first.capacity = 0
    first.writing.add(7)
    one.journal.append(2, framed(2))
    one.journal.finish()
    assert not first.finished
    first.writing.discard(7)
    one.journal.finish()
    assert first.finished


def test_a_full_spool_refuses_by_the_name_of_the_setting_and_keeps_what_it_has(make, spool):
    one = make(spool, max_bytes=64 * 1024)
    accepted = 0
    with pytest.raises(SpoolFullError, match="ORGTRAIL_SPOOL_MEGABYTES"):
        for number in range(1, 100):
            one.journal.append(number, framed(number, 1_000))
            accepted = number
    assert 10 < accepted < 70
    with pytest.raises(SpoolFullError):
        make(spool, max_bytes=64 * 1024).journal.append(1, framed(1, 40_000))
    assert read(one) == list(range(1, accepted + 1))


@pytest.mark.parametrize("spooled", [True, False])
def test_memory_is_limited_by_the_name_of_the_setting(make, tmp_path, spooled):
    (tmp_path / "file").touch()
    one = make(tmp_path / "file" if spooled else None, memory_bytes=5_000)
    with pytest.raises(BufferFullError, match="ORGTRAIL_BUFFER_KILOBYTES"):
        for number in range(1, 100):
            one.journal.append(number, framed(number, 1_000))
    assert not one.journal.on_disk
    assert read(one) == [1, 2, 3, 4]


@pytest.mark.parametrize(("waiting", "full"), [(3, True), (4, True), (2, False)])
def test_events_in_memory_are_limited(make, waiting, full):
    one = make(None, memory_events=3)
    for number in range(1, 4):
        one.journal.check_memory(number - 1)
        one.journal.append(number, framed(number))
    if full:
        with pytest.raises(BufferFullError, match="ORGTRAIL_BUFFER_EVENTS"):
            one.journal.check_memory(waiting)
    else:
        one.journal.check_memory(waiting)


def test_events_on_disk_are_not_limited_by_memory(make, spool):
    one = make(spool, memory_events=1)
    for number in range(1, 4):
        one.journal.append(number, framed(number))
    one.journal.check_memory(3)


def test_a_disk_that_fails_is_told_once_and_used_again_when_it_works(
    make, spool, monkeypatch, caplog
):
    one = make(spool)
    one.journal.append(1, framed(1))
    with monkeypatch.context() as patch:
        # The mount point is read-only from now on.
        patch.setattr(os, "write", _fail)
        patch.setattr(Lane, "new_segment", _fail)
        assert one.journal.append(2, framed(2))
        assert one.journal.append(3, framed(3))
        assert not one.journal.on_disk
    errors = [r for r in caplog.records if r.levelno == logging.ERROR]
    assert len(errors) == 1
    assert str(spool) in errors[0].getMessage()
    one.journal.tend()
    assert one.queue.segments[-1].capacity
    monkeypatch.setattr(module, "_TRY_DISK_AGAIN_S", -1)
    one.journal.tend()
    one.journal.append(4, framed(4))
    assert one.journal.on_disk
    assert read(one) == [1, 2, 3, 4]


def _fail(*_given):
    raise OSError(errno.EROFS, "read-only")


def test_a_spool_that_was_removed_is_told_and_made_again(make, spool, caplog):
    one = make(spool)
    one.journal.append(1, framed(1))
    shutil.rmtree(spool)
    one.journal.tend()
    assert str(spool) in caplog.text
    one.journal.append(2, framed(2))
    assert len(list(spool.rglob("*.frames"))) == 1
    assert read(one) == [1, 2]


def test_a_log_handler_that_emits_does_not_wait_for_itself(make, tmp_path):
    (tmp_path / "file").touch()
    one = make(tmp_path / "file")

    class Emits(logging.Handler):
        def emit(self, _record):
            one.journal.append(99, framed(99))

    handler = Emits()
    logging.getLogger("orgtrail").addHandler(handler)
    try:
        assert one.journal.append(1, framed(1))
    finally:
        logging.getLogger("orgtrail").removeHandler(handler)
    assert sorted(read(one)) == [1, 99]


def test_a_sealed_journal_takes_nothing_and_waits_for_its_writers(make, spool):
    one = make(spool)
    one.journal.append(1, framed(1))
    last = one.queue.segments[-1]
    last.writing.add(7)
    assert not one.journal.sealed(0)
    one.journal.seal(0.01)
    assert not one.journal.append(2, framed(2))
    assert not one.journal.sealed(0.01)
    last.writing.discard(7)
    assert one.journal.sealed(0.01)
    assert last.finished
    assert read(one) == [1]


def test_what_is_not_synced_is_known(make, spool, monkeypatch):
    synced = []
    monkeypatch.setattr(os, "fdatasync", synced.append)
    one = make(spool)
    assert not one.journal.unsynced()
    one.journal.append(1, framed(1))
    assert one.journal.unsynced()
    one.journal.sync()
    assert not one.journal.unsynced()
    one.journal.append(2, framed(2), sync=True)
    assert not one.journal.unsynced()
    assert len(synced) == 2
