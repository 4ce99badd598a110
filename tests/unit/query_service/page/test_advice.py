from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from tests.support.api_rows import row

from orgtrail_query_service.page.address import read_view
from orgtrail_query_service.page.advice import Advice, advise

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
ID = UUID(int=1)


class Log:
    """Holds one event; ``matches`` decides which filters and range find it."""

    org = "acme"

    def __init__(self, matches):
        self.matches, self.asked = matches, []

    async def rows(self, statement):
        self.asked.append(statement)
        given = statement.parameters
        assert given["org"] == "acme"
        if not self.matches(given):
            return []
        moment = NOW.replace(tzinfo=None)
        return [(moment, ID)] if "events_store WHERE" in statement.sql else [row(moment, ID)]


def view(*parameters):
    return read_view("", "acme", list(parameters), NOW)


def whole(given):
    """Whether a statement reads back to the start of the retention, or the keys of one that does."""
    return "keys" in given or given["since"] <= "2026-08-25 12:00:00.000"


async def test_an_organization_without_events_is_told_how_to_send_the_first():
    log = Log(lambda given: False)
    assert await advise(log, view(("user", "bob")), NOW) == Advice(True, [])


async def test_the_record_of_looking_is_not_an_event_of_theirs():
    log = Log(lambda given: given.get("exclude_event_prefixes") != ["org.audit-log."])
    assert (await advise(log, view(), NOW)).empty


async def test_the_one_filter_that_hides_events_is_named():
    log = Log(lambda given: given.get("user") != "bob")
    found = await advise(log, view(("user", "bob"), ("outcome", "failure"), ("last", "24h")), NOW)
    assert found == Advice(
        False, [("without User bob", "/orgs/acme/audit-logs?outcome=failure&last=24h")]
    )


async def test_a_range_that_is_too_short_leads_to_the_whole_retention():
    log = Log(whole)
    found = await advise(log, view(("last", "24h"), ("tz", "Europe/Paris")), NOW)
    assert found == Advice(
        False, [("in the last 90 days", "/orgs/acme/audit-logs?tz=Europe%2FParis&last=90d")]
    )


async def test_values_of_one_filter_are_left_out_together():
    log = Log(lambda given: "event" not in given)
    found = await advise(log, view(("event", "user.login"), ("event", "user.logout")), NOW)
    assert found.relax == [("without Event user.login, user.logout", "/orgs/acme/audit-logs")]


async def test_where_nothing_helps_there_is_no_advice():
    log = Log(lambda given: "user" not in given and "ip" not in given)
    found = await advise(log, view(("user", "bob"), ("ip", "::1")), NOW)
    assert found == Advice(False, [])


@pytest.mark.parametrize("more", [("order", "oldest"), ("limit", "1000")])
async def test_looking_reads_few_rows(more):
    log = Log(lambda given: "user" not in given)
    await advise(log, view(("user", "bob"), more), NOW)
    limits = [s.sql.rsplit(" ", 1)[1] for s in log.asked if "LIMIT" in s.sql]
    assert set(limits) <= {"1", "2"}


async def test_an_event_at_the_end_of_the_retention_counts():
    until = []
    log = Log(lambda given: until.append(given.get("until")) or False)
    await advise(log, view(), NOW)
    assert max(until) == f"{NOW + timedelta(minutes=6):%Y-%m-%d %H:%M:%S.000}"
