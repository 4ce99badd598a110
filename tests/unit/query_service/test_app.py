import logging
import re

import pytest
from litestar.testing import AsyncTestClient
from tests.support.query_parts import SETTINGS, fake_parts

from orgtrail import AuditProducer
from orgtrail.errors import AuditError
from orgtrail_query_service.app import make_app
from orgtrail_query_service.reads.export_formats import FORMATS
from orgtrail_query_service.telemetry import METRICS

ACME = {"Authorization": "Bearer acme,globex"}
LIST = "/v1/orgs/acme/events"


@pytest.fixture
async def client(database, audit):
    async with AsyncTestClient(make_app(SETTINGS, fake_parts(database))) as client:
        yield client


def organizations_asked(database):
    return {s.parameters["org"] for s in database.asked if "org" in s.parameters}


async def test_without_a_token_nothing_is_read(client, database):
    answer = await client.get(LIST)
    assert (answer.status_code, answer.json()["type"]) == (
        401,
        "urn:orgtrail:problem:unauthenticated",
    )
    assert database.asked == []


async def test_another_organization_is_not_found_and_not_read(client, database, audit):
    for path in ("events", "events/1", "summary", "people", "events/export", "events/export.csv"):
        answer = await client.get(f"/v1/orgs/initech/{path}", headers=ACME)
        assert answer.status_code == 404, path
    assert database.asked == []
    assert audit.events == []


async def test_an_administrator_reads_their_organization_alone(client, database, audit):
    answer = await client.get(LIST, headers=ACME)
    assert (answer.status_code, answer.json()["events"]) == (200, [])
    assert organizations_asked(database) == {"acme"}
    (viewed,) = audit.events
    assert (viewed.event, viewed.org_id) == ("org.audit-log.viewed", "acme")


@pytest.mark.parametrize("suffix", ["", *(f".{suffix}" for suffix in FORMATS)])
async def test_an_export_is_recorded_before_its_first_byte(client, database, audit, suffix):
    answer = await client.get(f"{LIST}/export{suffix}", headers=ACME)
    assert (answer.status_code, answer.content) == (200, b"event_id\n")
    assert [event.event for event in audit.events] == ["org.audit-log.exported"]


async def test_an_export_that_cannot_be_recorded_is_refused(client, audit, monkeypatch):
    async def refuse(*_args, **_details):
        raise AuditError("away")

    monkeypatch.setattr(AuditProducer, "emit_confirmed", refuse)
    answer = await client.get(f"{LIST}/export.csv", headers=ACME)
    assert (answer.status_code, answer.json()["type"]) == (503, "urn:orgtrail:problem:not-recorded")


async def test_health_is_told_from_readiness(client, database):
    database.away = True
    assert (await client.get("/livez")).status_code == 200
    assert (await client.get("/readyz")).status_code == 503
    database.away = False
    assert (await client.get("/readyz")).status_code == 200


def test_other_libraries_do_not_fill_the_log(database):
    """Nobody is told of each request to the issuer."""
    root = logging.getLogger()
    before = root.level
    root.setLevel(logging.WARNING)
    try:
        make_app(SETTINGS, fake_parts(database))
        assert root.level == logging.WARNING
    finally:
        root.setLevel(before)


async def test_every_answer_has_the_security_headers(client):
    for path in ("/", "/nothing", LIST, "/livez"):
        answer = await client.get(path)
        assert answer.headers["x-content-type-options"] == "nosniff", path
        assert "default-src 'none'" in answer.headers["content-security-policy"], path


async def test_every_metric_is_documented(client):
    await client.get(LIST, headers=ACME)
    text = (await client.get("/metrics")).text
    named = set(re.findall(r"^# TYPE (orgtrail_query_\w+) ", text, re.MULTILINE))
    assert {name for name in named if not name.endswith("_created")} == METRICS.keys()
