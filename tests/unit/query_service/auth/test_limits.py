import asyncio

import pytest
from litestar.testing import AsyncTestClient
from msgspec.structs import replace
from tests.support.query_parts import SETTINGS, FakeDatabase, fake_parts

from orgtrail.testing import Recorder
from orgtrail_query_service.app import make_app
from orgtrail_query_service.auth import limits
from orgtrail_query_service.auth.administrator import Administrator
from orgtrail_query_service.auth.limits import forget_callers, network
from orgtrail_query_service.problems import unauthenticated

PATH = "/v1/event-types"


@pytest.fixture
async def client(monkeypatch):
    """A service that answers two requests a minute; a token names its bearer."""
    parts = fake_parts(FakeDatabase())

    async def verify(token, _now):
        if token.startswith("bad"):
            raise unauthenticated("bad token")
        return Administrator(token, ("acme",))

    monkeypatch.setattr(parts.tokens, "verify", verify, raising=False)
    with Recorder():
        async with AsyncTestClient(make_app(replace(SETTINGS, rate_limit=2), parts)) as made:
            yield made


async def statuses(client, *tokens):
    return [
        (await client.get(PATH, headers={"Authorization": f"Bearer {token}"})).status_code
        for token in tokens
    ]


async def test_a_caller_beyond_the_limit_is_told_when_to_try_again(client):
    assert await statuses(client, "alice", "alice") == [200, 200]
    refused = await client.get(PATH, headers={"Authorization": "Bearer alice"})
    assert (refused.status_code, refused.json()["type"]) == (
        429,
        "urn:orgtrail:problem:too-many-requests",
    )
    assert 0 < int(refused.headers["retry-after"]) <= 60
    assert refused.headers["ratelimit-remaining"] == "0"


async def test_callers_do_not_share_a_limit(client):
    assert await statuses(client, "alice", "alice", "bob", "alice", "bob") == [
        200, 200, 200, 429, 200,
    ]  # fmt: skip


async def test_varying_a_bad_token_does_not_escape_the_limit(client):
    assert await statuses(client, "bad1", "bad2", "bad3") == [401, 401, 429]


async def test_an_anonymous_caller_cannot_use_up_a_persons_limit(client):
    assert await statuses(client, "bad1", "bad2", "bad3", "alice") == [401, 401, 429, 200]


async def test_a_subject_that_is_an_address_has_a_limit_of_its_own(client):
    assert await statuses(client, "bad1", "bad1", "testclient") == [401, 401, 200]


@pytest.mark.parametrize("path", ["/livez", "/readyz"])
async def test_health_has_no_limit(client, path):
    assert [(await client.get(path)).status_code for _ in range(4)] == [200] * 4


async def test_options_does_not_fail_without_a_caller(client):
    assert (await client.options(PATH)).status_code == 204


@pytest.mark.parametrize(
    ("host", "counted"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2:3::4", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff:ffff:ffff:ffff", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("testclient", "testclient"),
        ("", ""),
    ],
)
def test_a_network_of_ipv6_is_one_caller(host, counted):
    assert network(host) == counted


async def test_callers_are_forgotten(client, monkeypatch):
    monkeypatch.setattr(limits, "_FORGET_EVERY_S", 0.01)
    store = client.app.stores.get("rate_limit")
    await store.set("gone", "x", expires_in=0.01)
    task = asyncio.create_task(forget_callers(client.app))
    await asyncio.sleep(0.1)
    task.cancel()
    assert not await store.exists("gone")
    assert "gone" not in store._store


async def test_the_application_forgets_callers_while_it_runs(monkeypatch):
    begun = []

    async def forget(app):
        begun.append(app)

    monkeypatch.setattr("orgtrail_query_service.app.forget_callers", forget)
    app = make_app(SETTINGS, fake_parts(FakeDatabase()))
    with Recorder():
        async with AsyncTestClient(app):
            assert begun == [app]
