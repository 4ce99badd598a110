import pytest
from tests.support.batches import batch, delivery

from orgtrail_consumers.kafka.batch import BatchLimits, cut


@pytest.mark.parametrize(
    ("sizes", "max_records", "max_bytes", "expected"),
    [
        ([1, 1, 1, 1, 1], 2, 100, [2, 2, 1]),
        ([40, 40, 40], 10, 100, [2, 1]),
        ([500, 1, 500], 10, 100, [1, 1, 1]),
        ([], 10, 100, []),
        ([1], 10, 100, [1]),
    ],
)
def test_slices_are_bounded_in_records_and_bytes(sizes, max_records, max_bytes, expected):
    records = batch(*(b"x" * size for size in sizes)).records
    slices = list(cut(records, BatchLimits(max_records, max_bytes)))
    assert [len(s) for s in slices] == expected
    assert [r for s in slices for r in s] == list(records)


def test_keys_and_headers_count():
    records = batch(b"x", b"x", b"x", keys={0: b"k" * 50}, headers={1: [("h", b"v" * 50)]}).records
    assert records.sizes == [51, 56, 5]
    assert records.size == sum(records.sizes)
    assert [len(s) for s in cut(records, BatchLimits(10, 60))] == [1, 1, 1]


def test_the_records_of_a_delivery_are_taken_once():
    given = delivery(b"a", b"b", first_offset=7)
    assert [record.value for record in given.take().records] == [b"a", b"b"]
    assert (given.first_offset, given.last_offset) == (7, 8)
    with pytest.raises(RuntimeError):
        given.take()
