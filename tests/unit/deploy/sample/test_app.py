"""The sample service in a demonstration: what a request may then say about its event."""

import pytest
from litestar.testing import TestClient

from orgtrail import AuditProducer, ProducerSettings
from orgtrail.testing import Recorder
from orgtrail_deploy.sample.app import SUPPORT, create_app
from orgtrail_schemas.catalogue import REDACTED

ALICE = {"org_id": "acme", "email": "alice@acme.example", "name": "Alice", "password": "pw"}
HANK = {"org_id": "globex", "email": "hank@globex.example", "name": "Hank", "password": "pw"}


@pytest.fixture
def audit():
    with Recorder() as recorder:
        yield recorder


@pytest.fixture
def client(audit):
    producer = AuditProducer(ProducerSettings(service="accounts"))
    with TestClient(create_app(producer, demonstration=True)) as opened:
        yield opened


@pytest.fixture
def hers(client, audit):
    token = client.post("/sign-up", json=ALICE).json()["token"]
    audit.clear()
    return {"authorization": f"Bearer {token}"}


def test_a_request_may_set_the_time_and_the_id_of_its_event(client, audit, hers):
    from datetime import UTC, datetime, timedelta

    from orgtrail.event_id import new_event_id

    moment = (datetime.now(UTC) - timedelta(days=3)).replace(microsecond=0)
    event_id = str(new_event_id())
    more = {"x-occurred-at": moment.isoformat(), "x-event-id": event_id}
    answer = client.post("/sign-in", json=ALICE, headers=more)
    event = audit.assert_emitted("user.login", actor_email=ALICE["email"])
    assert answer.json()["event_id"] == event.event_id == event_id
    assert event.occurred_at == moment.timestamp() * 1000


def test_support_staff_is_recorded_as_the_impersonator(client, audit, hers):
    client.post("/invitations", json={"email": "x@y.example"}, headers=hers | {"x-support": "1"})
    event = audit.assert_emitted("org.invitation.sent", target_email="x@y.example")
    assert event.impersonator == SUPPORT
    assert event.actor.email == ALICE["email"]


def test_an_event_of_another_service_is_recorded_for_the_signed_in_person(client, audit, hers):
    body = {
        "event": "shop.sold",
        "targets": [{"type": "order", "id": "o-1"}],
        "metadata": {"note": "x"},
        "service": "billing",
    }
    assert client.post("/activity", json=body, headers=hers).status_code == 201
    event = audit.assert_emitted("shop.sold", org_id="acme", target_id="o-1")
    assert event.context.service == "billing"
    assert event.metadata["note"] == REDACTED


@pytest.mark.parametrize("token", ["", "Bearer ", "Bearer guessed", "Basic x"])
@pytest.mark.parametrize(
    ("method", "path", "body"),
    [("post", "/activity", {"event": "user.login"}), ("post", "/invitations", {"email": "x@y.example"}),
     ("put", "/people/alice@acme.example/role", {"role": "admin"}), ("delete", "/session", None)],
)  # fmt: skip
def test_nobody_acts_without_a_session(client, audit, hers, token, method, path, body):
    answer = client.request(method, path, json=body, headers={"authorization": token})
    assert answer.status_code == 401
    assert audit.events == []


def test_a_session_that_was_ended_is_over(client, audit, hers):
    assert client.delete("/session", headers=hers).status_code == 200
    assert client.delete("/session", headers=hers).status_code == 401
    audit.assert_emitted("user.logout", times=1)


def test_a_person_of_another_organization_is_as_one_that_does_not_exist(client, audit, hers):
    client.post("/sign-up", json=HANK)
    audit.clear()
    answers = [
        client.put(f"/people/{email}/role", json={"role": "admin"}, headers=hers)
        for email in (HANK["email"], "nobody@acme.example")
    ]
    assert [answer.status_code for answer in answers] == [404, 404]
    assert answers[0].json() == answers[1].json()
    assert audit.events == []
