"""The rows of ``audit.dead_letters``: where each record is, and nothing of its content."""

from datetime import UTC, datetime

import pyarrow as pa
import pytest
from tests.support.batches import FakeRecord

from orgtrail_consumers.dead_letters.rows import dead_letter_rows
from orgtrail_consumers.kafka.batch import Batch, Rejected
from orgtrail_consumers.kafka.records import Records


def rows(records, rejected):
    return dead_letter_rows(Batch("t", 3, Records.of(records)), rejected, 1_700_000_000_123)


def test_a_row_names_the_record_that_its_position_says():
    records = [FakeRecord(b"v", offset=40 + n, timestamp=1_000 * n) for n in range(3)]
    table = rows(records, [Rejected(2, "malformed", "secret"), Rejected(0, "empty_value", "")])
    assert table.to_pylist() == [
        {
            "org_id": "acme",
            "received_at": datetime(1970, 1, 1, 0, 0, seconds, tzinfo=UTC),
            "reason": reason,
            "kafka_topic": "t",
            "kafka_partition": 3,
            "kafka_offset": offset,
            "dead_lettered_at": datetime(2023, 11, 14, 22, 13, 20, 123_000, UTC),
        }
        for seconds, reason, offset in ((2, "malformed", 42), (0, "empty_value", 40))
    ]


def test_times_and_numbers_have_the_types_of_the_table():
    schema = rows([FakeRecord(b"v")], [Rejected(0, "malformed", "")]).schema
    instant = pa.timestamp("ms", "UTC")
    assert schema.field("received_at").type == schema.field("dead_lettered_at").type == instant
    assert schema.field("kafka_partition").type == pa.uint32()
    assert schema.field("kafka_offset").type == pa.uint64()


@pytest.mark.parametrize(
    ("key", "org_id"), [(None, ""), (b"", ""), (b"acme", "acme"), (b"\xffx", "\ufffdx")]
)
def test_the_organization_is_the_key_whatever_it_is(key, org_id):
    table = rows([FakeRecord(b"v", key=key)], [Rejected(0, "malformed", "")])
    assert table["org_id"].to_pylist() == [org_id]


def test_nothing_of_the_payload_is_in_a_row():
    record = FakeRecord(b"hunter2", headers=[("h", b"hunter2")])
    assert "hunter2" not in str(rows([record], [Rejected(0, "malformed", "hunter2")]).to_pylist())
