"""What waits is bounded: memory, the spool, the disk; and where the spool lies."""

import logging
import os
import threading
import time

import pytest
from tests.support.mock_broker import ids
from tests.support.running import eventually
from tests.unit.producers.delivery.conftest import NOWHERE, child, emit

from orgtrail import BufferFullError, SpoolFullError, Target, UndeliveredError


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
    eventually(lambda: synced)
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
    eventually(lambda: [r for r in caplog.records if "was removed" in r.message])
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


def _size(folder):
    return sum(p.stat().st_size for p in folder.rglob("*") if p.is_file())
