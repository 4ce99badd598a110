import pytest
from litestar.testing import AsyncTestClient
from tests.support.query_parts import SETTINGS, FakeDatabase, fake_parts

from orgtrail_query_service.app import make_app
from orgtrail_query_service.problems import too_expensive, too_many, unavailable


class Database(FakeDatabase):
    error = None

    async def rows(self, statement, *more):
        if self.error is not None:
            raise self.error
        return await super().rows(statement, *more)


@pytest.fixture
def database():
    return Database()


@pytest.fixture
async def client(database):
    app = make_app(SETTINGS, fake_parts(database))
    async with AsyncTestClient(app, raise_server_exceptions=False) as made:
        yield made


async def test_both_answer_ok_in_plain_text_without_a_token(client):
    for path in ("/livez", "/readyz"):
        answer = await client.get(path)
        assert (answer.status_code, answer.text) == (200, "ok\n")
        assert answer.headers["content-type"].startswith("text/plain")


@pytest.mark.parametrize(
    "error", [unavailable(), too_expensive(), too_many(60)], ids=lambda e: e.kind
)
async def test_readiness_needs_clickhouse_and_liveness_does_not(client, database, error):
    database.error = error
    ready = await client.get("/readyz")
    assert (ready.status_code, ready.text) == (503, "ClickHouse does not answer\n")
    assert (await client.get("/livez")).status_code == 200
    assert database.asked == []


async def test_a_defect_is_not_ready(client, database):
    database.error = RuntimeError("hunter2")
    answer = await client.get("/readyz")
    assert answer.status_code == 500
    assert "hunter2" not in answer.text


async def test_a_bad_token_does_not_make_a_service_unready(client):
    answer = await client.get("/readyz", headers={"Authorization": "Basic x"})
    assert answer.status_code == 200
