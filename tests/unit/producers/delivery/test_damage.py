"""Files that a crash or a disk changed: the service starts, and says what it set aside."""

import logging
import os
import random

import pytest
from tests.support.mock_broker import ids
from tests.unit.producers.delivery.conftest import emit


@pytest.fixture
def left(make, tmp_path):
    """Twenty events that an ended process left, and their file."""
    audit = make()
    sent = [emit(audit) for _ in range(20)]
    audit.close(0)
    (file,) = (tmp_path / "spool").rglob("*.frames")
    return sent, file


def start(make, broker):
    audit = make(broker.address)
    last = emit(audit)
    assert audit.flush(20) == 0
    return audit, last


def test_a_damaged_middle_is_set_aside_and_named(left, make, broker, caplog, tmp_path):
    sent, file = left
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 0xFF
    file.write_bytes(data)
    audit, _last = start(make, broker)
    found = ids(broker.records(20))
    assert len(found) == 20
    assert [e for e in sent if e in found] == found[:-1]
    assert audit.counters().damaged == 1
    (aside,) = (tmp_path / "spool" / "aside").glob("*.damaged")
    assert str(aside) in caplog.text
    assert not audit.flush(0)


def test_a_torn_tail_is_cut(left, make, broker):
    sent, file = left
    os.truncate(file, file.stat().st_size - 7)
    audit, last = start(make, broker)
    assert ids(broker.records(20)) == [*sent[:-1], last]
    assert audit.counters().damaged == 0


@pytest.mark.parametrize(
    "content", [b"", b"garbage" * 1000, b"\x00" * 5000], ids=["empty", "garbage", "zeros"]
)
def test_a_file_that_is_no_journal_is_no_obstacle(left, make, broker, content, tmp_path):
    _sent, file = left
    file.write_bytes(content)
    _audit, last = start(make, broker)
    assert ids(broker.records(1)) == [last]
    assert not [p for p in (tmp_path / "spool").rglob("*.frames") if p == file]


@pytest.mark.parametrize("file_name", ["lane", "00000001.frames"])
def test_a_file_that_is_missing_is_no_obstacle(left, make, broker, file_name):
    _sent, file = left
    (file.parent / file_name).unlink()
    _audit, last = start(make, broker)
    assert last in ids(broker.records(1))


def test_a_damaged_position_sends_again_and_loses_nothing(left, make, broker):
    sent, file = left
    (file.parent / "lane").write_bytes(os.urandom(28))
    _audit, last = start(make, broker)
    assert ids(broker.records(21)) == [*sent, last]


def test_any_damage_leaves_the_other_events(left, make, broker, caplog):
    sent, file = left
    chance = random.Random(7)
    data = bytearray(file.read_bytes())
    size = len(data) // 20
    hit = {0, 5, 6, 13}
    for number in hit:
        for _ in range(3):
            data[number * size + chance.randrange(size)] ^= 0xFF
    file.write_bytes(data)
    _audit, last = start(make, broker)
    expected = [e for n, e in enumerate(sent) if n not in hit]
    found = ids(broker.records(len(expected) + 1))
    assert found == [*expected, last]
    assert any(r.levelno == logging.ERROR and "damaged" in r.message for r in caplog.records)
