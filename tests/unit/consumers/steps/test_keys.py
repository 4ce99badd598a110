import pytest
from tests.support.batches import FakeRecord, decode, find_current
from tests.support.events import datum

from orgtrail_consumers.kafka.batch import Batch
from orgtrail_consumers.kafka.records import Records
from orgtrail_consumers.steps.keys import mismatches, reject


def decoded(*keys):
    records = [FakeRecord(datum(), key=key, offset=n) for n, key in enumerate(keys)]
    given = Batch("audit.events.v1", 0, Records.of(records))
    return decode([record.value for record in records], find_current), given


@pytest.mark.parametrize("key", [b"globex", b"ACME", b"acme ", b"", None, b"\xff\xfe"])
def test_a_key_that_is_not_the_organization_is_a_mismatch(key):
    events, given = decoded(b"acme", key, b"acme")
    assert mismatches(events, given).to_pylist() == [False, True, False]


def test_mismatches_are_rejected_alone():
    events, given = decoded(b"acme", b"globex", None)
    done = reject(events, mismatches(events, given))
    assert done.positions.to_pylist() == [0]
    assert len(done.columns) == len(done.fingerprints) == 1
    assert [(r.position, r.reason) for r in done.rejected] == [
        (1, "key_mismatch"),
        (2, "key_mismatch"),
    ]
