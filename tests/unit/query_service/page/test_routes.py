from datetime import timedelta
from uuid import UUID

import pytest
from litestar.testing import AsyncTestClient
from tests.support.api_rows import row
from tests.support.query_parts import NOW, SETTINGS, fake_parts

from orgtrail_query_service.app import make_app

LOG = "/orgs/acme/audit-logs"
ID = UUID(int=1)
EVIL = '<img src=x onerror="alert(1)">'


@pytest.fixture
async def get(database, audit):
    async with AsyncTestClient(make_app(SETTINGS, fake_parts(database))) as client:

        async def ask(path, token="acme"):
            headers = {"Authorization": f"Bearer {token}", "Accept": "text/html"} if token else {}
            return await client.get(path, headers=headers, follow_redirects=False)

        yield ask


async def test_one_organization_opens_at_once(get):
    answer = await get("/", "a:b@c")
    assert (answer.status_code, answer.headers["location"]) == (303, "/orgs/a%3Ab%40c/audit-logs")


async def test_several_organizations_are_listed_in_order(get):
    page = (await get("/", "globex,acme")).text
    assert page.index("/orgs/acme/audit-logs") < page.index("/orgs/globex/audit-logs")


@pytest.mark.parametrize("path", ["/", LOG, f"{LOG}/summary", f"{LOG}/set-aside", f"{LOG}/{ID}"])
async def test_nobody_sees_nothing(get, database, audit, path):
    assert (await get(path, None)).status_code == 401
    assert (database.asked, audit.events) == ([], [])


@pytest.mark.parametrize("path", [LOG, f"{LOG}/summary", f"{LOG}/set-aside", f"{LOG}/{ID}"])
async def test_another_organization_is_not_found_and_not_read(get, database, audit, path):
    assert (await get(path, "globex")).status_code == 404
    assert (database.asked, audit.events) == ([], [])


@pytest.mark.parametrize("path", [LOG, f"{LOG}/summary", f"{LOG}/set-aside", f"{LOG}/{ID}"])
async def test_a_view_is_recorded(get, audit, path):
    await get(path)
    assert [event.event for event in audit.events] == ["org.audit-log.viewed"]


@pytest.mark.parametrize("path", ["", "/summary", "/set-aside", f"/{ID}"])
async def test_an_unknown_parameter_is_refused(get, path):
    assert (await get(f"{LOG}{path}?nothing=1")).status_code == 400


async def test_what_an_event_contains_is_text(get, database):
    columns = {
        "event": EVIL, "event_name": EVIL, "actor_name": EVIL, "actor_email": EVIL, "ip": EVIL,
        "targets.type": [EVIL], "targets.id": [EVIL], "targets.email": [EVIL], "targets.name": [EVIL],
        "changes.field": [EVIL], "changes.old": [EVIL], "changes.new": [None], "metadata": {EVIL: EVIL},
        "user_agent": EVIL, "country": EVIL, "request_id": EVIL, "session_id": EVIL, "outcome": EVIL,
        "impersonator_type": "user", "impersonator_name": EVIL,
    }  # fmt: skip
    database.answers["audit.events_store WHERE"] = [(NOW.replace(tzinfo=None), ID)]
    database.answers["audit.events_store FINAL"] = [row(NOW, ID, **columns)]
    for path in (f"{LOG}?last=24h", f"{LOG}/{ID}", f"{LOG}?user=%3Cimg%20src=x"):
        answer = await get(path)
        assert answer.status_code == 200, path
        assert "<img" not in answer.text, path
        assert "&lt;img" in answer.text, path


@pytest.mark.parametrize("event_id", ["nothing", str(ID)])
async def test_an_event_that_is_not_there_is_not_found(get, event_id):
    assert (await get(f"{LOG}/{event_id}")).status_code == 404


async def test_an_event_says_until_when_it_is_kept(get, database):
    database.answers["audit.events_store WHERE"] = [(NOW.replace(tzinfo=None), ID)]
    database.answers["audit.events_store FINAL"] = [row(NOW, ID, event="user.login")]
    page = (await get(f"{LOG}/{ID}?tz=Europe/Paris")).text
    assert "2027-02-21 13:00:00.000 CET" in page


async def test_a_page_that_continues_leads_on_and_back(get, database):
    database.answers["audit.events_store FINAL"] = [
        row(NOW - timedelta(hours=n), UUID(int=n)) for n in (1, 2)
    ]
    first = (await get(f"{LOG}?limit=1&last=24h")).text
    assert "data-live=" in first
    older = (
        first.partition('rel="next"')[0]
        .rpartition('href="')[2]
        .partition('"')[0]
        .replace("&amp;", "&")
    )
    assert "cursor=" in older
    second = (await get(older)).text
    assert ">First page</a>" in second
    assert "data-live=" not in second
    # An end of a page is not a search without events: nothing is advised.
    database.answers["audit.events_store FINAL"] = []
    assert "No more events." in (await get(older)).text


async def test_an_empty_log_gets_advice(get):
    assert "No events yet" in (await get(LOG)).text


@pytest.mark.parametrize(
    ("query", "live"),
    [
        ("", True),
        ("?order=oldest", False),
        ("?from=2026-11-01&to=2026-11-02", False),
        ("?from=2026-11-20", True),
    ],
)
async def test_only_a_page_that_ends_now_is_live(get, query, live):
    assert ("data-live=" in (await get(LOG + query)).text) == live


@pytest.mark.parametrize(
    ("query", "warned"),
    [
        ("?last=90d", False),
        ("?from=2026-08-25", False),
        ("?from=2026-08-24", True),
        ("?from=2026-01-01", True),
    ],
)
async def test_days_before_the_retention_are_warned_about(get, query, warned):
    assert ("earlier days are not shown" in (await get(LOG + query)).text) == warned


async def test_counts_are_shown_with_their_sum(get, database):
    stamp = int(NOW.replace(hour=0).timestamp())
    database.answers["audit.events_store FINAL"] = [
        ("time", stamp, "user", "", "", "", "", 1200),
        ("event", 0, "", "user.login", "", "", "", 1200),
        ("actor", 0, "", "", "user", "u1", EVIL, 1200),
    ]
    page = (await get(f"{LOG}/summary?last=7d")).text
    assert "<h1>1,200 events</h1>" in page
    assert "<img" not in page
