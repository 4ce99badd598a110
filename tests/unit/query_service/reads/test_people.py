from datetime import UTC, datetime

import pytest

from orgtrail_query_service.problems import Problem
from orgtrail_query_service.reads.people import MAX_PREFIX, MOST, Person, read_people


class Log:
    org = "acme"

    def __init__(self):
        self.asked = []

    async def rows(self, statement):
        self.asked.append(statement)
        return [("user", "u1", "bob@x.org", "Bob", datetime(2026, 11, 23))]


@pytest.mark.parametrize(
    ("parameters", "prefix"),
    [
        ([], ""),
        ([("prefix", "")], ""),
        ([("prefix", "Bo")], "bo"),
        ([("prefix", "ÉT")], "ét"),
        ([("prefix", "' OR 1=1")], "' or 1=1"),
        ([("prefix", "a" * MAX_PREFIX)], "a" * MAX_PREFIX),
    ],
    ids=str,
)
async def test_the_beginning_is_a_value_in_small_letters(parameters, prefix):
    log = Log()
    await read_people(log, parameters)
    (asked,) = log.asked
    assert asked.parameters == {"org": "acme", "prefix": prefix, "most": MOST}
    assert "org_id = {org:String}" in asked.sql
    assert not prefix or prefix not in asked.sql


async def test_the_last_day_is_in_utc():
    seen = datetime(2026, 11, 23, tzinfo=UTC)
    assert await read_people(Log(), []) == [Person("user", "u1", "bob@x.org", "Bob", seen)]


@pytest.mark.parametrize(
    ("parameters", "begins"),
    [
        ([("q", "bob")], "q: is unknown"),
        ([("org", "globex")], "org: is unknown"),
        ([("prefix", "a"), ("prefix", "b")], "prefix: may be given once"),
        ([("prefix", "a" * (MAX_PREFIX + 1))], "prefix: must be at most"),
        ([("prefix", "a\x00")], "prefix: must be at most"),
        ([("x" * 1000, "")], "x" * 64 + ": is unknown"),
    ],
    ids=lambda value: str(value)[:30],
)
async def test_what_cannot_be_used_is_refused_and_not_read(parameters, begins):
    log = Log()
    with pytest.raises(Problem) as raised:
        await read_people(log, parameters)
    assert (raised.value.status, raised.value.detail[: len(begins)]) == (400, begins)
    assert log.asked == []
