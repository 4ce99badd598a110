from datetime import UTC, datetime
from uuid import UUID

import pytest
from tests.support.api_rows import row

from orgtrail_query_service.problems import Problem
from orgtrail_query_service.reads.people import MAX_PREFIX, MOST, Person, read_people

NOW = datetime(2026, 11, 24, tzinfo=UTC)
AT = datetime(2026, 11, 23, 10)
BOB = {"actor_type": "user", "actor_id": "u1", "actor_email": "bob@x.org", "actor_name": "Bob"}
NOBODY, SOME = UUID(int=0), UUID(int=1)


class Log:
    """One person, seen in an event whose surviving copy has ``columns``."""

    org = "acme"

    def __init__(self, columns=None, event_id=SOME, newest=()):
        self.asked = []
        self.answers = [
            [("user", "u1", "bob@x.org", "Bob", AT, AT, event_id)],
            [] if columns is None else [row(AT, event_id, **columns)],
        ]
        self.newest = newest

    async def rows(self, statement):
        self.asked.append(statement)
        if "FROM audit.events_store WHERE" in statement.sql:
            return [(AT, UUID(int=n + 2)) for n, _ in enumerate(self.newest)]
        if "{user:String}" in statement.sql:
            return [row(AT, UUID(int=n + 2), **columns) for n, columns in enumerate(self.newest)]
        return self.answers.pop(0)


@pytest.mark.parametrize(
    ("parameters", "prefix"),
    [
        ([], ""),
        ([("prefix", "")], ""),
        ([("prefix", "Bo")], "bo"),
        ([("prefix", "\u00a0\u200b Bob M ")], "bob m "),
        ([("prefix", "ÉT")], "ét"),
        ([("prefix", "' OR 1=1")], "' or 1=1"),
        ([("prefix", "a" * MAX_PREFIX)], "a" * MAX_PREFIX),
    ],
    ids=str,
)
async def test_the_beginning_is_a_value_in_small_letters(parameters, prefix):
    log = Log(event_id=NOBODY)
    await read_people(log, parameters, NOW)
    (asked,) = log.asked
    assert asked.parameters == {"org": "acme", "prefix": prefix, "most": 2 * MOST}
    assert "org_id = {org:String}" in asked.sql
    assert not prefix or prefix not in asked.sql


async def test_the_last_day_is_in_utc():
    seen = datetime(2026, 11, 23, tzinfo=UTC)
    found = await read_people(Log(BOB), [], NOW)
    assert found == [Person("user", "u1", "bob@x.org", "Bob", seen.replace(hour=10))]


@pytest.mark.parametrize(
    ("columns", "newest", "name"),
    [
        (BOB, (), "Bob"),
        ({"targets.type": ["user"], "targets.id": ["u1"], "targets.email": ["bob@x.org"],
          "targets.name": ["Bob"]}, (), "Bob"),
        (None, (), None),
        (BOB | {"actor_id": "u2"}, (), None),
        (BOB | {"actor_name": "Robert"}, (BOB | {"actor_name": "Robert"},), "Robert"),
        (None, (BOB | {"actor_id": "u2"}, BOB), "Bob"),
        (None, (BOB | {"actor_id": "u2"},), None),
    ],
)  # fmt: skip
async def test_only_whoever_is_in_a_surviving_event_is_shown(columns, newest, name):
    found = await read_people(Log(columns, newest=newest), [], NOW)
    assert [person.name for person in found] == ([] if name is None else [name])


async def test_a_row_of_before_has_no_event_and_is_shown():
    assert len(await read_people(Log(event_id=NOBODY), [], NOW)) == 1


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
        await read_people(log, parameters, NOW)
    assert (raised.value.status, raised.value.detail[: len(begins)]) == (400, begins)
    assert log.asked == []


async def test_many_ghosts_cost_a_few_lookups_only():
    log = Log()
    ghost = log.answers[0][0]
    log.answers[0] = [ghost] * (2 * MOST)
    assert await read_people(log, [], NOW) == []
    looked_for = [s for s in log.asked if "user" in s.parameters]
    windows = 4
    assert 0 < len(looked_for) <= 5 * windows
