from datetime import timedelta
from urllib.parse import parse_qsl, urlsplit
from uuid import UUID

import pytest
from litestar.testing import AsyncTestClient
from tests.support.api_rows import row
from tests.support.query_parts import NOW, SETTINGS, FakeDatabase, fake_parts

from orgtrail.testing import Recorder
from orgtrail_query_service.app import make_app
from orgtrail_schemas.catalogue import catalogue

ACME = {"Authorization": "Bearer acme,a:b@c"}
LIST = "/v1/orgs/acme/events"
ID = "00000000-0000-0000-0000-000000000001"


@pytest.fixture
def database():
    made = FakeDatabase()
    made.answers["audit.events_store FINAL"] = [
        row(NOW - timedelta(hours=n), UUID(int=n)) for n in (1, 2, 3)
    ]
    return made


@pytest.fixture
async def client(database):
    with Recorder():
        async with AsyncTestClient(make_app(SETTINGS, fake_parts(database))) as made:
            yield made


def next_page(answer):
    return parse_qsl(urlsplit(answer.headers["link"][1:].partition(">")[0]).query)


async def test_a_page_that_continues_says_so_twice_with_the_same_parameters(client):
    params = [("limit", "2"), ("order", "newest")]
    page = (await client.get(LIST, headers=ACME, params=[("limit", "2")])).json()
    assert (len(page["events"]), bool(page["next_cursor"])) == (2, True)
    answer = await client.get(LIST, headers=ACME, params=[*params, ("cursor", page["next_cursor"])])
    assert answer.headers["link"].endswith('>; rel="next"')
    cursor = answer.json()["next_cursor"]
    assert sorted(next_page(answer)) == sorted([*params, ("cursor", cursor)])


async def test_filters_stay_in_the_link(client, database):
    keys = [(NOW.replace(tzinfo=None) - timedelta(hours=n), UUID(int=n)) for n in (1, 2)]
    database.answers = {"audit.events_store WHERE": keys, **database.answers}
    params = [("event", "user.login"), ("event", "a b&c"), ("limit", "1")]
    answer = await client.get(LIST, headers=ACME, params=params)
    assert sorted(next_page(answer)[:-1]) == sorted(params)
    assert next_page(answer)[-1] == ("cursor", answer.json()["next_cursor"])


async def test_the_last_page_has_no_link(client):
    answer = await client.get(f"{LIST}?since=2026-11-23T00:00:00Z", headers=ACME)
    assert (len(answer.json()["events"]), answer.json()["next_cursor"]) == (3, None)
    assert "link" not in answer.headers


async def test_a_cursor_of_another_organization_is_refused(client):
    cursor = (await client.get(f"{LIST}?limit=1", headers=ACME)).json()["next_cursor"]
    other = await client.get(f"/v1/orgs/a:b@c/events?limit=1&cursor={cursor}", headers=ACME)
    assert (other.status_code, other.json()["type"]) == (400, "urn:orgtrail:problem:bad-parameter")


async def test_a_range_before_the_retention_is_marked(client, database):
    database.answers["audit.ingest_progress"] = [(NOW.replace(tzinfo=None),)]
    database.answers["audit.dead_letters"] = [(3,)]
    page = (await client.get(f"{LIST}?since=2020-01-01T00:00:00Z", headers=ACME)).json()
    assert (page["clamped"], page["since"]) == (True, "2026-08-25T12:00:00.000Z")
    assert (page["settled_through"], page["set_aside"]) == ("2026-11-23T12:00:00.000Z", 3)
    assert not (await client.get(LIST, headers=ACME)).json()["clamped"]


@pytest.mark.parametrize("event_id", ["1", "x" * 36, f"{ID}0", "%20", "{}", ID])
async def test_an_event_that_is_not_there_is_not_found(client, event_id):
    answer = await client.get(f"{LIST}/{event_id}", headers=ACME)
    assert (answer.status_code, answer.json()["type"]) == (404, "urn:orgtrail:problem:not-found")


async def test_an_event_is_found_by_its_id(client, database):
    database.answers["audit.events_store WHERE"] = [(NOW.replace(tzinfo=None), UUID(ID))]
    answer = await client.get(f"{LIST}/{ID}", headers=ACME)
    assert (answer.status_code, answer.json()["event_id"]) == (200, ID)


@pytest.mark.parametrize(
    "address",
    [
        "events?nothing=1",
        "summary?limit=5",
        "summary?cursor=x",
        "people?q=b",
        "people?prefix=a&prefix=b",
    ],
)
async def test_a_parameter_that_a_route_does_not_take_is_refused(client, address):
    answer = await client.get(f"/v1/orgs/acme/{address}", headers=ACME)
    assert (answer.status_code, answer.json()["type"]) == (
        400,
        "urn:orgtrail:problem:bad-parameter",
    )


async def test_the_catalogue_is_for_whoever_is_signed_in(client, database):
    assert (await client.get("/v1/event-types")).status_code == 401
    answer = await client.get("/v1/event-types", headers={"Authorization": "Bearer nothing"})
    items = {item["event"]: item for item in answer.json()}
    assert items.keys() == catalogue().events.keys()
    assert items["org.audit-log.viewed"]["own"]
    assert not items["user.login"]["own"]
    assert database.asked == []


async def test_an_organization_with_a_name_that_is_too_long_is_refused(client):
    assert (await client.get(f"/v1/orgs/{'a' * 129}/events", headers=ACME)).status_code == 400


@pytest.mark.parametrize("path", ["events", "events/export.csv"])
async def test_the_last_moment_that_can_be_written_is_no_defect(client, path):
    answer = await client.get(f"/v1/orgs/acme/{path}?until=9999-12-31T23:59:59.9999Z", headers=ACME)
    assert answer.status_code in (200, 400)
