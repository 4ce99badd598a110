import asyncio

import aiohttp
import pytest
from clickhouse_connect.driver.exceptions import DatabaseError, OperationalError

from orgtrail_query_service.problems import Problem
from orgtrail_query_service.reads import database as module
from orgtrail_query_service.reads.database import BrokenOffError, Database
from orgtrail_query_service.reads.statements import Statement
from orgtrail_schemas.connections import ClickHouseSettings
from orgtrail_schemas.settings import Secret

STATEMENT = Statement("SELECT {x:String}", {"x": "1"})
SILENCE = object()
HELD, AT_ONCE = module._HELD_BACK, module._AT_ONCE


class Client:
    """Answers with ``result_rows`` or ``chunks``; an exception among them is raised."""

    def __init__(self):
        self.result_rows, self.chunks, self.error = [], [], None
        self.asked, self.opened, self.left, self.closed = [], 0, False, False

    async def query(self, sql, parameters, settings):
        self.asked.append((sql, parameters, settings))
        if self.error is SILENCE:
            await asyncio.sleep(60)
        if self.error:
            raise self.error
        return self

    async def raw_stream(self, sql, parameters, settings, transport_settings):
        self.asked.append((sql, parameters, settings, transport_settings))
        if self.error:
            raise self.error
        return self

    async def __aenter__(self):
        return self._chunks()

    async def __aexit__(self, *_):
        self.left = True

    async def _chunks(self):
        for chunk in self.chunks:
            if isinstance(chunk, Exception):
                raise chunk
            if chunk is SILENCE:
                await asyncio.sleep(60)
            yield chunk

    async def close(self):
        self.closed = True


@pytest.fixture
def client(monkeypatch):
    made = Client()

    async def create(**given):
        made.given, made.opened = given, made.opened + 1
        return made

    monkeypatch.setattr(module, "create_async_client", create)
    return made


@pytest.fixture
def database(client):
    return Database(ClickHouseSettings(), "reader", Secret("hunter2"))


async def taken(database, gzip=False):
    chunks = []
    async for chunk in database.stream(STATEMENT, "acme", 5, gzip=gzip):
        chunks.append(chunk)
    return chunks


async def test_it_connects_at_the_first_read_once_and_as_its_user(client, database):
    assert client.opened == 0
    client.result_rows = [(1,)]
    for _ in range(2):
        assert await database.rows(STATEMENT, "acme", 5) == [(1,)]
    assert client.opened == 1
    assert (client.given["username"], client.given["password"]) == ("reader", "hunter2")
    # The values go beside the text.
    assert client.asked[0] == ("SELECT {x:String}", {"x": "1"}, {"quota_key": "acme"})


@pytest.mark.parametrize("opened", [True, False])
async def test_closing_closes_what_was_opened(client, database, opened):
    if opened:
        await database.rows(STATEMENT, "acme", 5)
    await database.close()
    assert client.closed == opened


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (aiohttp.ClientConnectionError("refused"), "unavailable"),
        (ConnectionResetError(), "unavailable"),
        (TimeoutError(), "unavailable"),
        (OperationalError("no route"), "unavailable"),
        *(
            (DatabaseError(f"error code: {n}, DB::Exception"), "too-expensive")
            for n in (158, 159, 160, 241, 307)
        ),
        *(
            (DatabaseError(f"error code: {n}, DB::Exception"), "too-many-requests")
            for n in (201, 202)
        ),
        (OperationalError("error code: 202"), "too-many-requests"),
    ],
    ids=str,
)
async def test_errors_of_clickhouse_become_problems_without_their_text(
    client, database, error, kind
):
    client.error = error
    for read in (database.rows(STATEMENT, "acme", 5), taken(database)):
        with pytest.raises(Problem) as raised:
            await read
        assert raised.value.kind == kind
        assert str(error) not in raised.value.detail or not str(error)


async def test_a_defect_of_ours_stays_itself(client, database):
    client.error = DatabaseError("error code: 62, Syntax error")
    for read in (database.rows(STATEMENT, "acme", 5), taken(database)):
        with pytest.raises(DatabaseError):
            await read


@pytest.mark.parametrize(("gzip", "expected"), [(True, {"Accept-Encoding": "gzip"}), (False, None)])
async def test_clickhouse_compresses_when_asked(client, database, gzip, expected):
    await taken(database, gzip)
    assert client.asked[0][2:] == ({"quota_key": "acme"}, expected)


@pytest.mark.parametrize(
    "sizes",
    [[], [1], [HELD], [HELD + AT_ONCE], [HELD + AT_ONCE + 1], [100_000] * 9, [3_000_000, 1]],
    ids=str,
)
async def test_every_byte_is_passed_on_in_order_and_the_end_is_held_back(client, database, sizes):
    client.chunks = [bytes([n % 251]) * size for n, size in enumerate(sizes)]
    chunks = await taken(database)
    assert b"".join(chunks) == b"".join(client.chunks)
    assert len(chunks[-1]) >= min(HELD, sum(sizes))
    assert client.left


@pytest.mark.parametrize(
    "error", [aiohttp.ClientPayloadError("cut"), ConnectionResetError(), TimeoutError()]
)
async def test_a_failure_before_the_first_byte_is_a_problem(client, database, error):
    client.chunks = [b"a" * HELD, error]
    with pytest.raises(Problem) as raised:
        await taken(database)
    assert raised.value.kind == "unavailable"


async def test_a_failure_under_way_breaks_the_transfer_and_keeps_the_error_text_back(
    client, database
):
    text = b"Code: 241. DB::Exception: " + b"x" * 16_000
    client.chunks = [b"a" * (HELD + AT_ONCE + 1), text, aiohttp.ClientPayloadError("cut")]
    passed = []
    with pytest.raises(BrokenOffError):
        async for chunk in database.stream(STATEMENT, "acme", 5, gzip=False):
            passed.append(chunk)
    assert passed
    assert set(b"".join(passed)) == {ord("a")}
    assert client.left


async def test_a_reader_who_leaves_ends_the_query(client, database):
    client.chunks = [b"a" * (HELD + AT_ONCE + 1)] * 9
    chunks = database.stream(STATEMENT, "acme", 5, gzip=False)
    await anext(chunks)
    await chunks.aclose()
    assert client.left


async def test_a_silent_clickhouse_is_unavailable_in_time(client, database):
    client.error = SILENCE
    with pytest.raises(Problem) as raised:
        await database.rows(STATEMENT, "acme", 0.01)
    assert raised.value.kind == "unavailable"


async def test_a_file_breaks_off_when_clickhouse_falls_silent(client, database):
    client.chunks = [b"a" * (HELD + AT_ONCE + 1), SILENCE]
    with pytest.raises(BrokenOffError):
        async for _ in database.stream(STATEMENT, "acme", 0.01, gzip=False):
            pass
    assert client.left


async def test_silence_before_the_first_byte_is_a_problem(client, database):
    client.chunks = [SILENCE]
    with pytest.raises(Problem):
        await anext(database.stream(STATEMENT, "acme", 0.01, gzip=False))
