from datetime import UTC, datetime

import pytest

from orgtrail_query_service.problems import Problem
from orgtrail_query_service.reads.search import parse_since
from orgtrail_query_service.reads.set_aside import read_set_aside
from orgtrail_schemas.limits import RETENTION
from orgtrail_schemas.reasons import EXPLAINED

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
AT = datetime(2026, 11, 20)


class Log:
    org = "acme"

    async def rows(self, statement):
        assert statement.parameters["org"] == "acme"
        if "GROUP BY" in statement.sql:
            return [("malformed", 5, AT, AT), ("of_a_later_version", 1, AT, AT)]
        return [("malformed", AT, "audit.events.v1", 3, 14)]


async def test_reasons_are_counted_and_explained():
    aside = await read_set_aside(Log(), NOW)
    assert aside.total == 6
    assert [(r.reason, r.meaning) for r in aside.reasons] == [
        ("malformed", EXPLAINED["malformed"]),
        ("of_a_later_version", ""),
    ]
    (record,) = aside.records
    assert record.received_at == AT.replace(tzinfo=UTC)
    assert (record.source.partition, record.source.offset) == (3, 14)


def test_it_begins_with_the_retention_or_since():
    assert parse_since([], NOW) == NOW - RETENTION
    assert parse_since([("since", "2026-11-20T00:00:00Z")], NOW) == AT.replace(tzinfo=UTC)
    for bad in ([("until", "2026-11-20T00:00:00Z")], [("since", "x")], [("user", "bob")]):
        with pytest.raises(Problem):
            parse_since(bad, NOW)
