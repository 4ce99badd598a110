import asyncio
import itertools
import uuid
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from tests.support.api_rows import row

from orgtrail_query_service.reads.event import TABLE_COLUMNS
from orgtrail_query_service.reads.filters import FILTERS
from orgtrail_query_service.reads.pages import (
    Watermark,
    read_event,
    read_page,
    read_settled,
    read_with_settled,
    windows,
)
from orgtrail_query_service.reads.search import Place, Search, parse_search
from orgtrail_schemas.tables import stored_columns

ALL = stored_columns()
SINCE = datetime(2026, 8, 25, tzinfo=UTC)
UNTIL = datetime(2026, 11, 23, tzinfo=UTC)


def test_windows_cover_the_range_once_from_the_newest_on():
    found = list(windows(Search(SINCE, UNTIL), None))
    assert found[0].until == UNTIL
    assert found[-1].since == SINCE
    assert all(a.since == b.until for a, b in itertools.pairwise(found))
    assert found[0].until - found[0].since == timedelta(days=1)


def test_windows_of_the_oldest_first():
    found = list(windows(Search(SINCE, UNTIL, order="oldest"), None))
    assert found[0].since == SINCE
    assert found[-1].until == UNTIL
    assert all(a.until == b.since for a, b in itertools.pairwise(found))


def test_a_filtered_search_has_fewer_and_wider_windows():
    """The indexes say where to read; each statement costs its planning."""
    search = parse_search([("actor", "bob")], UNTIL)
    found = list(windows(search, None))
    assert [w.until - w.since for w in found[:-1]] == [timedelta(days=7)]
    assert found[0].until == search.until
    assert found[-1].since == search.since
    assert found[0].since == found[-1].until


def test_a_later_page_begins_at_its_place():
    place = Place(UNTIL - timedelta(days=10), UUID(int=1))
    newest = next(windows(Search(SINCE, UNTIL), place))
    assert newest.until == place.occurred_at + timedelta(milliseconds=1)
    oldest = next(windows(Search(SINCE, UNTIL, order="oldest"), place))
    assert oldest.since == place.occurred_at


def test_a_short_range_is_one_window():
    short = Search(UNTIL - timedelta(hours=2), UNTIL)
    assert len(list(windows(short, None))) == 1


class FakeLog:
    """Events in memory, read by the statements that ``read_page`` makes.

    ``copies`` are keys that the first step finds and the second does not: later copies of an event
    whose first copy does not match.
    """

    org = "acme"

    def __init__(self, places, copies=(), columns=ALL):
        self.columns = columns
        self.places = sorted(places, key=lambda p: (p.occurred_at, p.event_id), reverse=True)
        self.copies = set(copies)
        self.statements = []

    async def rows(self, statement):
        self.statements.append(statement)
        given = statement.parameters
        assert given["org"] == "acme"
        if "keys" in given:
            wanted = {UUID(key) for _, key in given["keys"]}
            return [
                self.row(p) for p in self.places if p.event_id in wanted and p not in self.copies
            ]
        found = [
            p
            for p in self.places
            if moment(given["since"]) <= p.occurred_at < moment(given["until"])
            and ("after" not in given or self._is_after(p, given))
        ]
        limit = int(statement.sql.rsplit(" ", 1)[1])
        if "events_store WHERE" in statement.sql:
            return [(p.occurred_at.replace(tzinfo=None), p.event_id) for p in found[:limit]]
        return [self.row(p) for p in found[:limit]]

    def row(self, place):
        whole = dict(zip(stored_columns(), row(place.occurred_at, place.event_id), strict=True))
        return tuple(whole[name] for name in self.columns)

    @staticmethod
    def _is_after(place, given):
        at = moment(given["after"])
        return place.occurred_at < at or (
            place.occurred_at == at and place.event_id < UUID(given["after_id"])
        )


def moment(text):
    return datetime.strptime(text, "%Y-%m-%d %H:%M:%S.%f").replace(tzinfo=UTC)


def places(count, every=timedelta(hours=7)):
    return [Place(UNTIL - every * (n + 1), UUID(int=count - n)) for n in range(count)]


ACTOR = next(f for f in FILTERS if f.name == "actor")


def search(limit, *, filtered=False, **more):
    values = ((ACTOR, ("alice",)),) if filtered else ()
    return Search(SINCE, UNTIL, values=values, limit=limit, **more)


async def read_all(log, asked):
    found, after = [], None
    while True:
        page = await read_page(log, asked, after)
        found += [event.place for event in page.events]
        if page.last is None:
            return found
        assert len(page.events) == asked.limit
        after = page.last


@pytest.mark.parametrize("filtered", [False, True])
@pytest.mark.parametrize("limit", [1, 7, 50, 300])
async def test_pages_hold_every_event_once_in_order(limit, filtered):
    log = FakeLog(places(200))
    assert await read_all(log, search(limit, filtered=filtered)) == log.places


async def test_events_of_one_millisecond_are_split_over_pages():
    log = FakeLog([Place(UNTIL - timedelta(days=2), UUID(int=n)) for n in range(1, 8)])
    assert await read_all(log, search(3)) == log.places


@pytest.mark.parametrize("limit", [1, 5, 20])
async def test_a_page_is_filled_up_where_copies_fall_away(limit):
    everything = places(100, timedelta(minutes=10))
    log = FakeLog(everything, copies=everything[::2])
    expected = [p for p in log.places if p not in log.copies]
    assert await read_all(log, search(limit, filtered=True)) == expected


async def test_a_page_of_copies_alone_is_empty_and_the_last():
    everything = places(30)
    page = await read_page(FakeLog(everything, copies=everything), search(5, filtered=True), None)
    assert (page.events, page.last) == ([], None)


async def test_the_first_page_reads_no_further_than_it_must():
    log = FakeLog(places(200, timedelta(minutes=1)))
    await read_page(log, search(50), None)
    assert len(log.statements) == 1


async def test_one_event_is_looked_for_around_its_time_first():
    place = Place(UNTIL - timedelta(days=3), uuid7_at(UNTIL - timedelta(days=3)))
    log = FakeLog([place])
    event = await read_event(log, place.event_id, UNTIL)
    assert event.place == place
    assert len(log.statements) == 2


async def test_one_event_is_found_wherever_its_time_is():
    for identity in (uuid.uuid4(), uuid7_at(UNTIL - timedelta(days=60))):
        place = Place(UNTIL - timedelta(days=3), identity)
        assert (await read_event(FakeLog([place]), identity, UNTIL)).place == place
    assert await read_event(FakeLog([]), uuid.uuid4(), UNTIL) is None


async def test_an_id_with_two_times_is_two_events():
    identity = uuid7_at(UNTIL)
    first, second = (Place(UNTIL - timedelta(hours=n), identity) for n in (1, 2))
    for place in (first, second):
        log = FakeLog([first, second])
        await read_event(log, identity, UNTIL, place.occurred_at)
        keys = log.statements[1].parameters["keys"]
        assert [moment(at) for at, _ in keys] == [place.occurred_at]
        assert len(log.statements) == 2


def uuid7_at(when):
    value = int(when.timestamp() * 1000) << 80 | 0x7 << 76 | 0x2 << 62 | 12345
    return UUID(int=value)


async def test_what_is_settled_is_asked_before_what_is_set_aside():
    """Else a record that is set aside between the two would be in neither."""
    asked = []

    class Answers:
        org = "acme"

        async def settled_through(self):
            asked.append("settled")
            return UNTIL

        async def rows(self, statement):
            asked.append(statement.sql.split("audit.")[1].split()[0])
            return [(3,)]

    settled = await read_settled(Answers(), search(1))
    assert (settled.settled_through, settled.set_aside) == (UNTIL, 3)
    assert asked == ["settled", "dead_letters"]


class Together:
    """A log whose statements are answered when the test says so."""

    org = "acme"

    def __init__(self):
        self.asked, self.answer = [], asyncio.get_running_loop().create_future()

    async def settled_through(self):
        self.asked.append("settled")
        return UNTIL

    async def rows(self, statement):
        self.asked.append(statement.sql.split("audit.")[1].split()[0])
        return await self.answer


async def test_what_is_set_aside_is_read_at_the_time_of_the_data_and_after_what_is_settled():
    log, before = Together(), asyncio.all_tasks()
    reading = asyncio.create_task(
        read_with_settled(log, search(1), lambda: read_page(log, search(1), None))
    )
    await asyncio.sleep(0.01)
    assert log.asked[0] == "settled"
    assert sorted(log.asked[1:]) == ["dead_letters", "events_store"]
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    assert asyncio.all_tasks() <= before


@pytest.mark.parametrize("broken", ["data", "aside", "both"])
async def test_an_error_of_either_is_the_answer(broken):
    log, before = Together(), asyncio.all_tasks()
    good = [(0,)]
    log.answer.set_result(good) if broken == "data" else log.answer.set_exception(OSError("away"))

    async def data():
        if broken == "aside":
            return []
        raise OSError("away")

    with pytest.raises(OSError, match="away"):
        await read_with_settled(log, search(1), data)
    assert asyncio.all_tasks() <= before


async def test_only_the_columns_that_are_shown_are_asked_for():
    for asked in (search(3), search(3, filtered=True)):
        log = FakeLog(places(3), columns=TABLE_COLUMNS)
        page = await read_page(log, asked, None, TABLE_COLUMNS)
        assert len(page.events) == 3
        shown = [s.sql for s in log.statements if "FINAL" in s.sql]
        for sql in shown:
            assert sql.startswith(f"SELECT {', '.join(f'`{n}`' for n in TABLE_COLUMNS)} FROM")
        assert page.events[0].metadata == {}
        assert page.events[0].context.user_agent == ""


class Progress:
    """``audit.ingest_progress``, and a clock."""

    def __init__(self):
        self.now_s, self.through, self.asked = 100.0, None, 0
        self.watermark = Watermark(lambda: self.now_s)

    async def rows(self, _statement):
        self.asked += 1
        await asyncio.sleep(0)
        if isinstance(self.through, Exception):
            raise self.through
        return [(self.through,)]

    async def read(self, after_s=0.0):
        self.now_s += after_s
        return await self.watermark.read(self.rows)


async def test_the_watermark_is_null_until_every_partition_reported():
    progress = Progress()
    assert await progress.read() is None
    progress.through = datetime(2026, 11, 23)
    assert await progress.read(1) == datetime(2026, 11, 23, tzinfo=UTC)


async def test_the_watermark_is_asked_for_once_a_second():
    progress = Progress()
    for _ in range(5):
        await progress.read(0.19)
    assert progress.asked == 1
    await progress.read(0.3)
    assert progress.asked == 2


async def test_while_one_asks_for_the_watermark_the_others_go_on_with_the_last():
    progress = Progress()
    progress.through = datetime(2026, 11, 22)
    await progress.read()
    progress.through = datetime(2026, 11, 23)
    progress.now_s += 1
    found = await asyncio.gather(*(progress.read() for _ in range(5)))
    assert progress.asked == 2
    assert [at.day for at in found] == [23, 22, 22, 22, 22]


async def test_nobody_goes_on_for_long_with_a_watermark_of_before():
    """A server that hangs must not make an answer look complete up to an old time for ever."""
    progress = Progress()
    await progress.read()
    progress.through = OSError("away")
    for after_s in (1, 1, 5):
        with pytest.raises(OSError, match="away"):
            await progress.read(after_s)
    progress.through = datetime(2026, 11, 23)
    assert await progress.read() == datetime(2026, 11, 23, tzinfo=UTC)
