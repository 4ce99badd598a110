from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from tests.support.api_rows import row

from orgtrail_query_service.problems import Problem, too_expensive
from orgtrail_query_service.reads.cursor import Cursors
from orgtrail_query_service.reads.feed import Position, begin, parse_feed, read_feed
from orgtrail_schemas.limits import CLOCK_SKEW, RETENTION

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


class Log:
    """Records in memory; ``copies`` are those that lost to an earlier record of their key."""

    org = "acme"

    def __init__(self, positions, copies=()):
        self.keys = {
            p: (NOW - timedelta(days=n % 80), UUID(int=n + 1)) for n, p in enumerate(positions)
        }
        self.copies = set(copies)
        self.asked = 0

    async def rows(self, statement):
        given = statement.parameters
        self.asked += 1
        if "keys" in given:
            wanted = {UUID(key) for _, key in given["keys"]}
            return [
                row(
                    at,
                    key,
                    received_at=p.received_at.replace(tzinfo=None),
                    kafka_partition=p.partition,
                    kafka_offset=p.offset,
                )
                for p, (at, key) in self.keys.items()
                if key in wanted and p not in self.copies
            ]
        since, until, after = (moment(given[name]) for name in ("since", "until", "after"))
        position = Position(after, given["after_partition"], given["after_offset"])
        found = sorted(p for p in self.keys if since <= p.received_at < until and p > position)
        limit = int(statement.sql.rsplit(" ", 1)[1])
        return [
            (*(self.keys[p][0].replace(tzinfo=None), self.keys[p][1]), p.received_at.replace(tzinfo=None), p.partition, p.offset)
            for p in found[:limit]
        ]  # fmt: skip


def moment(text):
    return datetime.strptime(text, "%Y-%m-%d %H:%M:%S.%f").replace(tzinfo=UTC)


def positions(count, every):
    """Four partitions; two records of each share a millisecond."""
    start = NOW - timedelta(days=30)
    return [Position(start + every * (n // 8), n % 4, n) for n in range(count)]


async def read_all(log, limit, settled):
    search, position = parse_feed([("limit", str(limit))], NOW)
    found = []
    while True:
        events, position = await read_feed(log, search, position, settled)
        if not events:
            return found, position
        found += [Position(e.received_at, e.source.partition, e.source.offset) for e in events]


@pytest.mark.parametrize("limit", [1, 7, 100, 1000])
@pytest.mark.parametrize("every", [timedelta(milliseconds=1), timedelta(hours=3)])
async def test_every_record_comes_once_in_the_order_of_receipt(limit, every):
    log = Log(positions(200, every))
    found, position = await read_all(log, limit, NOW)
    assert found == sorted(log.keys)
    assert position == begin(NOW)


async def test_it_never_passes_what_is_settled():
    every = timedelta(hours=1)
    log = Log(positions(200, every))
    settled = NOW - timedelta(days=30) + every * 10
    found, position = await read_all(log, 50, settled)
    assert found == sorted(p for p in log.keys if p.received_at < settled)
    assert position == begin(settled)
    search, _ = parse_feed([], NOW)
    more, _ = await read_feed(log, search, position, NOW)
    assert len(found) + len(more) >= 100


@pytest.mark.parametrize("settled", [None, NOW - timedelta(days=40)])
async def test_without_progress_nothing_moves(settled):
    log = Log(positions(8, timedelta(hours=1)))
    search, _ = parse_feed([], NOW)
    after = begin(NOW - timedelta(days=35))
    assert await read_feed(log, search, after, settled) == ([], after)
    assert log.asked == 0


async def test_a_copy_that_lost_is_no_event():
    all_of_them = positions(60, timedelta(minutes=1))
    log = Log(all_of_them, copies=all_of_them[5:40])
    found, _ = await read_all(log, 10, NOW)
    assert found == sorted(set(all_of_them) - log.copies)


async def test_many_copies_that_lost_cost_few_statements():
    all_of_them = positions(2000, timedelta(seconds=1))
    log = Log(all_of_them, copies=all_of_them[:-1])
    search, position = parse_feed([("limit", "1")], NOW)
    events, _ = await read_feed(log, search, position, NOW)
    assert len(events) == 1
    assert log.asked < 60


async def test_a_late_answer_has_less_and_the_position_moves_on():
    all_of_them = positions(2000, timedelta(seconds=1))
    log = Log(all_of_them, copies=all_of_them[:-1])
    search, _ = parse_feed([("limit", "1")], NOW)
    position, found, asked = begin(all_of_them[0].received_at), [], 0
    while not found:
        events, after = await read_feed(log, search, position, NOW, lambda: True)
        assert after > position
        found, position, asked = events, after, asked + 1
    assert asked > 3


async def test_a_statement_that_fails_later_does_not_undo_the_way_so_far():
    class Failing(Log):
        async def rows(self, statement):
            if self.asked >= 6:
                raise too_expensive()
            return await super().rows(statement)

    log = Failing(positions(2000, timedelta(minutes=1)))
    search, _ = parse_feed([("limit", "1000")], NOW)
    position = begin(min(log.keys).received_at)
    events, after = await read_feed(log, search, position, NOW)
    assert events
    assert after > position
    with pytest.raises(Problem):
        await read_feed(log, search, after, NOW)


async def test_nothing_new_is_cheap():
    log = Log([])
    search, _ = parse_feed([], NOW)
    await read_feed(log, search, begin(NOW - timedelta(seconds=10)), NOW)
    assert log.asked <= 2


def test_it_begins_with_everything_that_is_kept_or_where_it_is_told():
    assert parse_feed([("order", "received")], NOW)[1] == begin(NOW - RETENTION - CLOCK_SKEW)
    given = [("received_since", "2026-11-22T09:00:00+01:00")]
    assert parse_feed(given, NOW)[1] == begin(datetime(2026, 11, 22, 8, tzinfo=UTC))
    assert parse_feed([("received_since", "0001-01-01T00:00:00Z")], NOW)[1].received_at.year == 2026


@pytest.mark.parametrize(
    "given",
    [
        [("since", "2026-11-22T09:00:00Z")],
        [("until", "2026-11-22T09:00:00Z")],
        [("received_since", "yesterday")],
        [("received_since", "2026-11-22T09:00:00Z")] * 2,
        [("nothing", "1")],
        [("limit", "0")],
    ],
    ids=str,
)
def test_what_a_feed_cannot_have_is_refused(given):
    with pytest.raises(Problem):
        parse_feed([*given, ("order", "received")], NOW)


def test_a_cursor_belongs_to_its_feed():
    cursors, position = Cursors("s" * 32), Position(NOW, 3, 14)
    plain, _ = parse_feed([], NOW)
    cursor = cursors.make_feed("acme", plain, position)
    again, _ = parse_feed([("cursor", cursor)], NOW)
    assert cursors.read_feed("acme", again) == position
    assert cursors.read_feed("acme", plain) is None
    other, _ = parse_feed([("cursor", cursor), ("user", "bob")], NOW)
    for org, search in (("globex", again), ("acme", other)):
        with pytest.raises(Problem, match="belongs to another"):
            cursors.read_feed(org, search)
    # A page's cursor is none of a feed, and the other way round.
    with pytest.raises(Problem):
        cursors.read("acme", again)
    with pytest.raises(Problem):
        cursors.read_feed("acme", parse_feed([("cursor", cursor + "x")], NOW)[0])
