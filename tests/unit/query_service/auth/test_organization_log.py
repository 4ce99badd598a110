import asyncio
import time

import pytest
from tests.support.query_parts import FakeDatabase

from orgtrail_query_service.auth import organization_log as module
from orgtrail_query_service.auth.administrator import Administrator
from orgtrail_query_service.auth.bounds import Bounds
from orgtrail_query_service.auth.organization_log import Logs, Shard
from orgtrail_query_service.problems import Problem, unavailable
from orgtrail_query_service.reads.statements import Statement
from orgtrail_schemas.shards import shard_of

ALICE = Administrator("alice", ("acme",))
STATEMENT = Statement("SELECT 1", {})


class Database(FakeDatabase):
    closed = 0

    async def close(self):
        self.closed += 1


@pytest.fixture
def reader():
    return Database()


@pytest.fixture
def exporter():
    return Database()


@pytest.fixture
def logs(reader, exporter):
    return Logs([Shard(reader, exporter)], Bounds(exports_at_once=2))


@pytest.mark.parametrize("org", ["globex", "", "acme/../globex"])
def test_the_log_of_another_organization_does_not_open(logs, org):
    with pytest.raises(Problem) as raised:
        logs.open(ALICE, org)
    assert raised.value.status == 404


async def test_pages_and_exports_are_read_as_different_users(logs, reader, exporter):
    log = logs.open(ALICE, "acme")
    assert log.org == "acme"
    await log.rows(STATEMENT)
    assert (reader.asked, exporter.asked) == ([STATEMENT], [])
    assert [chunk async for chunk in log.stream(STATEMENT, gzip=False)] == [b"event_id\n"]
    assert (reader.asked, exporter.asked) == ([STATEMENT], [STATEMENT])


async def test_the_choice_of_compression_reaches_the_database(logs):
    chunks = [chunk async for chunk in logs.open(ALICE, "acme").stream(STATEMENT, gzip=True)]
    assert chunks[0].startswith(b"\x1f\x8b")


async def test_a_check_reads_no_events_and_fails_when_the_reader_is_away(logs, reader):
    await logs.check()
    (asked,) = reader.asked
    assert "audit.events" not in asked.sql
    reader.away = True
    with pytest.raises(Problem) as raised:
        await logs.check()
    assert raised.value.status == 503


async def test_both_connections_are_closed(logs, reader, exporter):
    await logs.close()
    assert (reader.closed, exporter.closed) == (1, 1)


async def test_waiting_counts_and_a_late_request_is_too_expensive(reader, exporter, monkeypatch):
    monkeypatch.setattr(module, "ANSWER_WITHIN_S", 0.2)
    log = Logs([Shard(reader, exporter)], Bounds(reads_at_once=1)).open(ALICE, "acme")

    async def slow(*_given):
        await asyncio.sleep(0.15)
        return []

    monkeypatch.setattr(reader, "rows", slow)
    began = time.monotonic()
    answers = await asyncio.gather(*(log.rows(STATEMENT) for _ in range(3)), return_exceptions=True)
    assert time.monotonic() - began < 0.5
    assert answers[0] == []
    assert {type(answer) for answer in answers[1:]} <= {list, Problem}
    with pytest.raises(Problem) as raised:
        await log.rows(STATEMENT)
    assert raised.value.kind == "too-expensive"


async def test_a_timeout_of_the_request_is_not_clickhouses_fault(reader, exporter, monkeypatch):
    monkeypatch.setattr(module, "ANSWER_WITHIN_S", 0.05)
    log = Logs([Shard(reader, exporter)], Bounds()).open(ALICE, "acme")

    async def timed_out(_statement, _org, seconds):
        await asyncio.sleep(seconds)
        raise unavailable()

    monkeypatch.setattr(reader, "rows", timed_out)
    with pytest.raises(Problem) as raised:
        await log.rows(STATEMENT)
    assert raised.value.kind == "too-expensive"


async def test_each_organization_is_read_from_its_own_shard():
    shards = [Shard(Database(), Database()) for _ in range(3)]
    logs = Logs(shards, Bounds())
    for org in ("acme", "globex", "initech"):
        log = logs.open(Administrator("alice", (org,)), org)
        await log.rows(STATEMENT)
        await log.settled_through()
        assert [chunk async for chunk in log.stream(STATEMENT, gzip=False)]
        for position, shard in enumerate(shards):
            asked = len(shard.reader.asked), len(shard.exporter.asked)
            assert asked == ((2, 1) if position == shard_of(org, 3) else (0, 0))
            shard.reader.asked.clear()
            shard.exporter.asked.clear()
        # The next one may have the same shard, whose watermark is asked once a second.
        for shard in shards:
            shard.watermark = module.Watermark()


async def test_a_shard_that_is_away_is_no_reason_to_send_nobody_here():
    shards = [Shard(Database(), Database()) for _ in range(2)]
    logs = Logs(shards, Bounds())
    gone = shard_of("acme", 2)
    assert gone != shard_of("wayne", 2)
    shards[gone].reader.away = True
    await logs.check()
    with pytest.raises(Problem) as raised:
        await logs.open(ALICE, "acme").rows(STATEMENT)
    assert raised.value.status == 503
    await logs.open(Administrator("bob", ("wayne",)), "wayne").rows(STATEMENT)
    shards[1 - gone].reader.away = True
    with pytest.raises(Problem):
        await logs.check()
    await logs.close()
    assert [shard.exporter.closed for shard in shards] == [1, 1]
