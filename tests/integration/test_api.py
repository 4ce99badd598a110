"""What an administrator may ask, and what nobody else gets."""

from datetime import UTC, datetime, timedelta

import httpx
import pytest
from tests.support.events import emit_arguments
from tests.support.running import eventually, without_readings

from orgtrail import Actor, Target
from orgtrail_query_service.page.assets import address_of
from orgtrail_schemas.catalogue import catalogue

ORG = "api"
BASE = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=2)


@pytest.fixture(scope="module")
def events(running):
    """Six events, a minute apart, the oldest first; their ids."""
    bob = Target(type="user", id="u-2", email="bob@x")
    plan = [
        ("user.login", {"actor": Actor(id="u-1", email="alice@x")}),
        ("user.login", {"actor": Actor(id="u-2", email="bob@x"), "outcome": "failure"}),
        ("org.user.role.updated", {"targets": [bob]}),
        ("org.user.deleted", {"targets": [bob], "outcome": "denied"}),
        ("shop.order.paid", {"targets": []}),
        (
            "user.profile.updated",
            {"impersonator": Actor(type="support", id="s-1", email="sam@support.example")},
        ),
    ]
    with running.producer() as producer:
        ids = []
        for number, (key, more) in enumerate(plan):
            arguments = emit_arguments(key if "shop" not in key else "user.logout")
            arguments |= {"org_id": ORG, "occurred_at": BASE + timedelta(minutes=number), **more}
            arguments.setdefault("actor", Actor(id="u-1", email="alice@x"))
            if "actor" not in more:
                arguments["actor"] = Actor(id="u-1", email="alice@x")
            ids.append(producer.emit(key, **arguments))
    running.wait_for(ORG, len(plan))
    return ids


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({}, [5, 4, 3, 2, 1, 0]),
        ({"order": "oldest"}, [0, 1, 2, 3, 4, 5]),
        ({"event": "user.login"}, [1, 0]),
        ({"event": ["user.login", "org.user.deleted"]}, [3, 1, 0]),
        ({"event": "org.user.*"}, [3, 2]),
        ({"event": ["org.user.*", "shop.order.paid"]}, [4, 3, 2]),
        ({"level": "user"}, [5, 1, 0]),
        ({"level": "organization"}, [3, 2]),
        ({"level": "other"}, [4]),
        ({"outcome": "denied"}, [3]),
        ({"actor": "alice@x"}, [5, 4, 3, 2, 0]),
        ({"actor": "u-2"}, [1]),
        ({"target": "bob@x"}, [3, 2, 1]),
        ({"user": "bob@x"}, [3, 2, 1]),
        ({"user": "u-2", "level": "organization"}, [3, 2]),
        ({"user": "sam@support.example"}, [5]),
        ({"actor": "nobody@x"}, []),
        pytest.param(
            {"since": (BASE + timedelta(minutes=2)).isoformat()}, [5, 4, 3, 2], id="since"
        ),
        pytest.param({"until": (BASE + timedelta(minutes=2)).isoformat()}, [1, 0], id="until"),
    ],
    ids=str,
)
def test_filters(running, events, filters, expected):
    found = running.events(ORG, **filters)
    assert [events.index(e["event_id"]) for e in found] == expected


@pytest.mark.parametrize("order", ["newest", "oldest"])
@pytest.mark.parametrize("filters", [{}, {"actor": "alice@x"}], ids=str)
@pytest.mark.parametrize("limit", [1, 2, 5, 6])
def test_pages_by_cursor_are_the_whole_list(running, events, order, filters, limit):
    whole = [e["event_id"] for e in running.events(ORG, order=order, **filters)]
    token = running.token(ORG)
    url = f"/v1/orgs/{ORG}/events"
    found, parameters = [], {"order": order, "limit": limit, **filters}
    while True:
        answer = running.get(url, token=token, **parameters)
        page = answer.json()
        found += [e["event_id"] for e in without_readings(page["events"])]
        if page["next_cursor"] is None:
            assert "link" not in answer.headers
            break
        assert 'rel="next"' in answer.headers["link"]
        parameters["cursor"] = page["next_cursor"]
    assert found == whole


def test_equal_times_are_paged_without_loss(running):
    with running.producer() as producer:
        sent = {
            producer.emit(
                "user.login",
                **emit_arguments("user.login") | {"org_id": "same-time", "occurred_at": BASE},
            )
            for _ in range(25)
        }
    running.wait_for("same-time", 25)
    for order in ("newest", "oldest"):
        found, parameters = [], {"order": order, "limit": 4}
        while True:
            page = running.get("/v1/orgs/same-time/events", org="same-time", **parameters).json()
            found += [e["event_id"] for e in without_readings(page["events"])]
            if page["next_cursor"] is None:
                break
            parameters["cursor"] = page["next_cursor"]
        assert len(found) == 25
        assert set(found) == sent


@pytest.mark.parametrize("order", ["newest", "oldest"])
def test_a_list_that_grows_while_it_is_read(running, order):
    """No event comes twice, and none is missing that was there at the first page."""
    org = f"growing-{order}"
    now = datetime.now(UTC)

    def emit(*seconds):
        with running.producer() as producer:
            return {
                producer.emit(
                    "user.login",
                    org_id=org,
                    actor=Actor(id="u-1"),
                    occurred_at=now - timedelta(seconds=s),
                )
                for s in seconds
            }

    there = emit(*range(10, 40))
    running.wait_for(org, 30)
    seen, cursor = [], None
    for page in range(10):
        asked = {"limit": 7, "order": order} | ({"cursor": cursor} if cursor else {})
        answer = running.get(f"/v1/orgs/{org}/events", org=org, **asked).json()
        seen += [event["event_id"] for event in answer["events"]]
        cursor = answer["next_cursor"]
        if cursor is None:
            break
        # Newer ones, older ones, and some within what was read already and what was not.
        emit(1, 25 + page / 10, 12, 38, 60)
        running.wait_for(org, 30 + 5 * (page + 1))
    assert cursor is None
    assert len(seen) == len(set(seen))
    assert there <= set(seen)


def test_the_link_leads_on(running, events):
    token = running.token(ORG)
    answer = running.get(f"/v1/orgs/{ORG}/events", token=token, limit=2, actor="alice@x")
    path = answer.headers["link"].split(">")[0].removeprefix("<")
    following = httpx.get(running.stack.page + path, headers={"Authorization": f"Bearer {token}"})
    assert [e["event_id"] for e in following.json()["events"]] == [events[3], events[2]]


def test_the_answer_says_what_it_covers(running, events):
    page = running.get(f"/v1/orgs/{ORG}/events", org=ORG, since="2020-01-01T00:00:00Z").json()
    assert page["clamped"] is True
    assert page["set_aside"] == 0
    assert datetime.fromisoformat(page["settled_through"]) <= datetime.now(UTC)


def test_everything_received_is_settled_in_the_end(running, events):
    received = max(datetime.fromisoformat(e["received_at"]) for e in running.events(ORG))

    def settled():
        page = running.get(f"/v1/orgs/{ORG}/events", org=ORG).json()
        through = page["settled_through"]
        return through and datetime.fromisoformat(through) > received

    eventually(settled, 30)


def test_one_event(running, events):
    event = running.get(f"/v1/orgs/{ORG}/events/{events[5]}", org=ORG).json()
    assert event["impersonator"]["email"] == "sam@support.example"
    assert event["actor"]["email"] == "alice@x"


@pytest.mark.parametrize(
    "event_id",
    [
        "00000000-0000-0000-0000-000000000000",
        "ffffffff-ffff-7fff-bfff-ffffffffffff",
        "42",
        "..",
        "%00",
    ],
)
def test_no_such_event(running, event_id):
    assert running.get(f"/v1/orgs/{ORG}/events/{event_id}", org=ORG).status_code == 404


def test_an_event_of_another_organization_is_no_event_of_this_one(running, events):
    assert running.get(f"/v1/orgs/else/events/{events[0]}", org="else").status_code == 404


def test_the_catalogue(running):
    types = running.get("/v1/event-types").json()
    assert [t["event"] for t in types] == list(catalogue().events)


PATHS = ["events", "events/export.csv", "events/01a208cf-14b6-738d-b743-9ff499ac1143"]


@pytest.mark.parametrize("path", PATHS)
def test_no_token_is_a_401(running, path):
    answer = running.get(f"/v1/orgs/{ORG}/{path}", token="")
    assert answer.status_code == 401
    assert answer.headers["content-type"].startswith("application/problem+json")
    assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("path", PATHS)
def test_foreign_missing_and_merely_joined_organizations_answer_alike(running, events, path):
    foreign = running.get(f"/v1/orgs/{ORG}/{path}", token=running.token("else"))
    missing = running.get(f"/v1/orgs/no-such/{path}", token=running.token("else"))
    member = running.get(f"/v1/orgs/{ORG}/{path}", token=running.token(ORG, role="member"))
    assert {a.status_code for a in (foreign, missing, member)} == {404}
    assert foreign.json() == missing.json() == member.json()


def test_an_expired_token_is_a_401(running):
    token = running.token(ORG, lasts=timedelta(minutes=-1))
    assert running.get(f"/v1/orgs/{ORG}/events", token=token).status_code == 401


def test_alg_none_is_a_401(running):
    _header, claims, _signature = running.token(ORG).split(".")
    token = f"eyJhbGciOiJub25lIn0.{claims}."
    assert running.get(f"/v1/orgs/{ORG}/events", token=token).status_code == 401


@pytest.mark.parametrize(
    "wrong",
    [{"level": "admin"}, {"foo": "1"}, {"since": "yesterday"}, {"limit": "0"}, {"cursor": "x"}],
    ids=str,
)
def test_a_wrong_value_is_a_400_that_names_it(running, wrong):
    answer = running.get(f"/v1/orgs/{ORG}/events", org=ORG, **wrong)
    assert answer.status_code == 400
    assert answer.json()["type"] == "urn:orgtrail:problem:bad-parameter"
    assert answer.json()["detail"].startswith(next(iter(wrong)))


def test_nothing_can_be_changed(running):
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        url = f"{running.stack.page}/v1/orgs/{ORG}/events"
        headers = {"Authorization": f"Bearer {running.token(ORG)}"}
        answer = httpx.request(method, url, headers=headers)
        assert answer.status_code == 405
        assert answer.headers["content-type"].startswith("application/problem+json")


def test_every_answer_has_the_security_headers(running):
    for path in ("/livez", "/v1/event-types", "/nowhere", address_of("", "orgtrail.css")):
        answer = running.get(path, token="")
        assert "default-src 'none'" in answer.headers["content-security-policy"], path
        assert answer.headers["x-content-type-options"] == "nosniff"


def test_it_is_alive_and_ready(running):
    assert running.get("/livez", token="").text == "ok\n"
    assert running.get("/readyz", token="").status_code == 200
