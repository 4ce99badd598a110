import pytest
import structlog
from litestar.testing import AsyncTestClient
from msgspec.structs import replace
from tests.support.query_parts import SETTINGS, FakeDatabase, fake_parts

from orgtrail.testing import Recorder
from orgtrail_query_service.app import make_app

SECRET = "hunter2"
PAGE = {"Accept": "text/html,*/*;q=0.8"}
ACME = {"Authorization": "Bearer acme"}


class Database(FakeDatabase):
    bug = False

    async def rows(self, statement, *more):
        if self.bug:
            raise RuntimeError(SECRET)
        return await super().rows(statement, *more)


@pytest.fixture
def database():
    return Database()


@pytest.fixture
def app(database):
    return make_app(SETTINGS, fake_parts(database))


@pytest.fixture
async def client(app):
    with Recorder():
        async with AsyncTestClient(app, raise_server_exceptions=False) as made:
            yield made


@pytest.fixture
async def sign_in_client(database):
    settings = replace(SETTINGS, oidc_client_id="page")
    parts = fake_parts(database)
    object.__setattr__(parts, "settings", settings)
    async with AsyncTestClient(make_app(settings, parts)) as made:
        yield made


@pytest.mark.parametrize(
    ("path", "headers", "media"),
    [
        ("/v1/nothing", {}, "application/problem+json"),
        ("/v1/nothing", PAGE, "application/problem+json"),
        ("/nothing", {}, "application/problem+json"),
        ("/nothing", {"Accept": "*/*"}, "application/problem+json"),
        ("/nothing", PAGE, "text/html"),
    ],
)
async def test_programs_get_a_problem_and_browsers_a_page(client, path, headers, media):
    answer = await client.get(path, headers=headers)
    assert answer.status_code == 404
    assert answer.headers["content-type"].partition(";")[0] == media
    if media != "text/html":
        assert answer.json()["type"] == "urn:orgtrail:problem:not-found"


@pytest.mark.parametrize("path", ["/v1/orgs/acme/events", "/orgs/acme/audit-logs"])
async def test_a_bug_is_logged_by_its_place_and_says_nothing(client, database, path):
    database.bug = True
    with structlog.testing.capture_logs() as logs:
        answer = await client.get(f"{path}?q=bob", headers=ACME | PAGE)
    assert answer.status_code == 500
    assert SECRET not in answer.text
    assert "RuntimeError" not in answer.text
    (entry,) = logs
    assert (entry["event"], entry["error"]) == ("request_failed", "RuntimeError")
    assert any(place.startswith("test_errors.py:") for place in entry["at"])
    assert SECRET not in str(entry)


@pytest.mark.parametrize("path", ["/v1/orgs/acme/events/%00", "/%00", "/orgs/%00/audit-logs"])
async def test_a_nul_in_the_path_is_not_found(client, path):
    assert (await client.get(path, headers=ACME)).status_code == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
async def test_the_log_is_read_only(client, method):
    answer = await client.request(method, "/v1/orgs/acme/events", headers=ACME)
    assert (answer.status_code, answer.json()["type"]) == (
        405,
        "urn:orgtrail:problem:method-not-allowed",
    )
    assert "GET" in answer.headers["allow"]


async def test_a_page_does_not_obey_what_the_address_contains(client):
    answer = await client.get(
        '/orgs/acme/audit-logs?"><script>alert(1)</script>=1', headers=ACME | PAGE
    )
    assert answer.status_code == 400
    assert "<script>alert" not in answer.text


async def test_the_page_of_a_404_lists_the_callers_organizations_alone(client):
    mine = {"Authorization": "Bearer globex,acme"}
    answer = await client.get("/orgs/initech/audit-logs", headers=mine | PAGE)
    assert answer.text.index("/orgs/acme/") < answer.text.index("/orgs/globex/")
    assert "/orgs/initech" not in answer.text.partition("<main")[2]
    assert "/orgs/" not in (await client.get("/nothing", headers=PAGE)).text


@pytest.mark.parametrize(
    ("path", "again"),
    [
        ("/orgs/acme/audit-logs?user=a%40b", "%2Forgs%2Facme%2Faudit-logs%3Fuser%3Da%2540b"),
        ("/orgs/%C3%A9%20%0A/audit-logs", "%2Forgs%2F%25C3%25A9%2520%250A%2Faudit-logs"),
    ],
)
async def test_a_browser_is_sent_to_sign_in_and_back(sign_in_client, path, again):
    answer = await sign_in_client.get(path, headers=PAGE)
    assert answer.status_code == 401
    assert answer.headers["refresh"] == f"0; url=/sign-in?next={again}"
    assert answer.headers["www-authenticate"] == "Bearer"


async def test_nobody_is_sent_in_a_circle(sign_in_client, client):
    failed = await sign_in_client.get("/sign-in/callback", headers=PAGE)
    assert (failed.status_code, "refresh" in failed.headers) == (401, False)
    without = await client.get("/orgs/acme/audit-logs", headers=PAGE)
    assert (without.status_code, "refresh" in without.headers) == (401, False)
    assert "refresh" not in (await sign_in_client.get("/v1/event-types", headers=PAGE)).headers


async def test_headers_of_a_problem_reach_the_caller(client, database):
    database.away = True
    for headers in (ACME, ACME | PAGE):
        answer = await client.get("/orgs/acme/audit-logs", headers=headers)
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")


async def test_after_a_failed_sign_in_the_way_leads_home(sign_in_client):
    page = (await sign_in_client.get("/sign-in/callback?code=c&state=s", headers=PAGE)).text
    assert "/sign-in?next=%2F" in page
    assert "callback" not in page


async def test_no_header_is_longer_than_proxies_take(sign_in_client):
    path = "/orgs/acme/audit-logs?q=" + "@" * 60_000
    answer = await sign_in_client.get(path, headers=PAGE)
    assert max(len(value) for value in answer.headers.values()) < 4096
