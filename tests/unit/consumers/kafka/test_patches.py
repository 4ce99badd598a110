"""A name that is no UTF-8 costs its record nothing but the name."""

import pytest
from aiokafka.record.memory_records import MemoryRecords
from tests.support.raw_batch import BAD, raw_batch

from orgtrail_consumers.kafka.patches import RecordBatches


def batch(names, **more):
    return raw_batch([b"value %d" % n for n in range(len(names))], names, **more)


def read(data, kind=RecordBatches):
    records, found = kind(data), []
    while records.has_next():
        made = records.next_batch()
        assert made.validate_crc()
        found += [(r.offset, r.key, r.value, [*r.headers]) for r in made]
    return found


def test_aiokafka_still_stops_at_such_a_name():
    with pytest.raises(UnicodeDecodeError):
        read(batch(["one", BAD, "three"]), MemoryRecords)


def test_every_record_is_read_once_and_in_order():
    data = batch(["zero"]) + batch(["one", BAD, "three", BAD]) + batch(["five"])
    found = read(data)
    assert [offset for offset, *_ in found] == [0, 0, 1, 2, 3, 0]
    assert [headers[0][0] for *_, headers in found] == [
        "zero", "one", "\ufffd\ufffd-", "three", "\ufffd\ufffd-", "five",
    ]  # fmt: skip
    assert {(key, headers[0][1]) for _, key, _, headers in found} == {(b"key", b"it")}
    assert [value for _, _, value, _ in found[1:5]] == [b"value %d" % n for n in range(4)]


def test_good_names_are_read_as_they_are():
    data = batch(["grüße", "x"], compression=1) + batch(["y"])
    assert read(data) == read(data, MemoryRecords)


def test_a_batch_of_any_length_is_read():
    for length in (1, 199, 200, 201, 400, 450):
        names = ["name"] * length
        assert read(batch(names)) == read(batch(names), MemoryRecords)
        found = read(batch([*names, BAD, "last"]))
        assert [offset for offset, *_ in found] == [*range(length + 2)]
