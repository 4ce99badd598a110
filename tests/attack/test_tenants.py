"""Nobody reads another organization: over every route, format and parameter."""

import statistics
import time

import msgspec
import pytest
from joserfc import jwt
from joserfc.jwk import ECKey
from tests.attack.conftest import ATTACKER, JOINED, VICTIM
from tests.support.events import datum

from orgtrail_query_service.reads.filters import FILTERS

EVENT = "01a208cf-14b6-738d-b743-9ff499ac1143"
FORMATS = ("text/csv", "application/jsonl", "application/vnd.apache.parquet", "*/*")
# Ways to name the victim that something between the client and the route may read as the victim.
NAMES = (
    VICTIM,
    VICTIM.upper(),
    "victi%6d",
    "victim%00",
    "victim%20",
    "victim%2f",
    "victim;",
    "victim%3b",
    "attacker%2f..%2fvictim",
    "attacker/../victim",
    "%2e%2e/victim",
    "attacker,victim",
    "attacker%0avictim",
    "victim%ef%bc%8f",
    "*",
    "%25",
    "unassigned",
)


def routes(attacker):
    paths = attacker.ask("/schema/openapi.json").json()["paths"]
    return [p for p in paths if "{org" in p]


def fill(path, org):
    return path.replace("{org}", org).replace("{event_id}", EVENT)


def parameters():
    values = {f.name: f.example for f in FILTERS}
    values |= {"order": "oldest", "limit": "1", "bom": "true", "prefix": "n", "org": ATTACKER}
    values |= {"since": "2026-11-01T00:00:00Z", "org_id": ATTACKER, "cursor": "x"}
    return values


def test_every_route_is_tried(attacker):
    assert len(routes(attacker)) == 9


@pytest.mark.parametrize("org", [VICTIM, JOINED, "missing"])
def test_every_route_with_every_parameter_answers_alike(attacker, running, org):
    token = member_token(running)
    bodies = set()
    for path in routes(attacker):
        for name, value in (("", ""), *parameters().items()):
            more = {"params": {name: value}} if name else {}
            answer = attacker.ask(fill(path, org), token=token, **more)
            assert answer.status_code == 404, path
            bodies.add(answer.content)
        for media in FORMATS:
            answer = attacker.ask(fill(path, org), token=token, headers={"Accept": media})
            assert answer.status_code == 404, path
            bodies.add(answer.content)
    assert len(bodies) == 1


def member_token(running):
    """An administrator of the attacker's organization who is a member of another."""
    key = ECKey.import_key(msgspec.json.decode((running.stack.root / "issuer.json").read_bytes()))
    claims = {
        "iss": "urn:orgtrail:local",
        "aud": "orgtrail",
        "sub": "mallory",
        "exp": int(time.time()) + 600,
        "org_roles": {ATTACKER: ["admin"], JOINED: ["member", "viewer"], "": ["admin"]},
    }
    return jwt.encode({"alg": "ES256", "kid": key.kid}, claims, key, algorithms=["ES256"])


@pytest.mark.parametrize("name", NAMES)
def test_no_other_name_of_the_victim_leads_there(attacker, name):
    for path in routes(attacker):
        assert attacker.ask(fill(path, name)).status_code in (400, 404)
    page = attacker.ask(f"/orgs/{name}/audit-logs")
    assert page.status_code in (400, 401, 404)


def test_no_parameter_widens_what_is_read(attacker):
    """Each answer for the attacker's own organization holds the attacker's events alone."""
    for value in (VICTIM, f"{VICTIM}' OR '1'='1", "*", "%"):
        for name in parameters():
            answer = attacker.ask(f"/v1/orgs/{ATTACKER}/events", params={name: value})
            for event in answer.json().get("events", []):
                assert event["org_id"] == ATTACKER


def test_a_cursor_of_the_victim_is_refused(attacker, running):
    running.raw.send(datum(org_id=VICTIM), b"victim")
    running.wait_for(VICTIM, 2)
    page = running.get(f"/v1/orgs/{VICTIM}/events", org=VICTIM, limit=1).json()
    assert page["next_cursor"]
    answer = attacker.ask(
        f"/v1/orgs/{ATTACKER}/events", params={"cursor": page["next_cursor"], "limit": 1}
    )
    assert answer.status_code == 400


def test_an_event_of_the_victim_is_not_found_by_its_id(attacker, running):
    (event, *_) = running.events(VICTIM)
    own = attacker.ask(f"/v1/orgs/{ATTACKER}/events/{event['event_id']}")
    missing = attacker.ask(f"/v1/orgs/{ATTACKER}/events/{EVENT}")
    assert own.status_code == missing.status_code == 404
    assert own.content == missing.content


def test_how_long_a_refusal_takes_is_shown(attacker, running, record_property):
    """Told and not judged: a machine's noise is larger. No refusal asks ClickHouse anything."""
    token, took = member_token(running), {}
    for org in (VICTIM, JOINED, "missing"):
        times = []
        for _ in range(30):
            began = time.perf_counter()
            attacker.ask(f"/v1/orgs/{org}/events", token=token)
            times.append(time.perf_counter() - began)
        took[org] = statistics.median(times) * 1000
    record_property("milliseconds", took)
