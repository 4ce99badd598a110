"""The sample account service, and the week that it records."""

import logging
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from litestar.testing import TestClient

from orgtrail import Actor, AuditProducer, ProducerSettings, producer
from orgtrail_deploy.local.demo import demo_events
from orgtrail_deploy.sample.app import SUPPORT, create_app
from orgtrail_deploy.sample.week import send_week
from orgtrail_schemas.catalogue import catalogue

LISTED = [event.key for event in catalogue().events.values() if not event.own]
ALICE = {"org_id": "acme", "email": "alice@acme.example", "name": "Alice Moreau", "password": "pw"}
BOB = {"org_id": "acme", "email": "bob@acme.example", "name": "Bob Okafor", "password": "pw"}
HANK = {"org_id": "globex", "email": "hank@globex.example", "name": "Hank", "password": "pw"}


@pytest.fixture(autouse=True)
def events():
    kept = []
    former = producer.set_sink(kept.extend)
    yield kept
    producer.set_sink(former)


@pytest.fixture
def sender():
    return AuditProducer(ProducerSettings(kafka_brokers="127.0.0.1:1", service="accounts"))


@pytest.fixture
def client(sender):
    with TestClient(create_app(sender)) as opened:
        yield opened


def bearer(answer):
    return {"authorization": f"Bearer {answer.json()['token']}"}


def test_each_accepted_request_returns_the_id_of_its_event(client, events):
    answers = [client.post("/sign-up", json=ALICE), client.post("/sign-up", json=BOB)]
    answers.append(client.post("/sign-in", json=ALICE, headers={"x-request-id": "req-1"}))
    her = bearer(answers[-1])
    answers.append(
        client.post("/invitations", json={"email": "carol@partner.example"}, headers=her)
    )
    answers.append(client.put("/people/bob@acme.example/role", json={"role": "admin"}, headers=her))
    answers.append(client.delete("/session", headers=her))
    assert [answer.json()["event_id"] for answer in answers] == [event.event_id for event in events]
    assert [event.event for event in events] == [
        "user.email.verified",
        "user.email.verified",
        "user.login",
        "org.invitation.sent",
        "org.user.role.updated",
        "user.logout",
    ]
    alice = Actor(id="u-acme-alice", email=ALICE["email"], name=ALICE["name"])
    assert [event.actor for event in events[2:]] == [alice] * 4
    assert {event.org_id for event in events} == {"acme"}
    assert events[2].context.request_id == "req-1"
    (change,) = events[4].changes
    assert (change.field, change.old, change.new) == ("role", "member", "admin")
    assert events[4].targets[0].id == "u-acme-bob"
    assert events[4].context.session_id.startswith("ses-")
    assert her["authorization"][7:] not in str(events)
    assert client.delete("/session", headers=her).status_code == 401


def test_a_wrong_password_is_recorded(client, events):
    client.post("/sign-up", json=ALICE)
    answer = client.post("/sign-in", json=ALICE | {"password": "other"})
    assert answer.status_code == 401
    assert answer.json()["extra"]["event_id"] == events[-1].event_id
    assert (events[-1].outcome, events[-1].metadata["failure_reason"]) == (
        "failure",
        "wrong password",
    )


def test_what_is_refused_emits_nothing(client, events):
    client.post("/sign-up", json=ALICE)
    hers = bearer(client.post("/sign-in", json=ALICE))
    client.post("/sign-up", json=HANK)
    before = len(events)
    assert client.post("/sign-up", json=ALICE).status_code == 409
    assert client.post("/sign-in", json=BOB).status_code == 401
    assert client.post("/invitations", json={"email": "x@y.example"}).status_code == 401
    assert (
        client.put(
            "/people/hank@globex.example/role", json={"role": "admin"}, headers=hers
        ).status_code
        == 404
    )
    assert client.post("/activity", json={"event": "user.login"}, headers=hers).status_code == 404
    assert len(events) == before


def test_only_a_demonstration_may_say_when_and_for_whom(client, events):
    forged = {"x-occurred-at": "2026-01-01T00:00:00+00:00", "x-event-id": "x", "x-support": "s-7"}
    assert client.post("/sign-up", json=ALICE, headers=forged).status_code == 201
    assert events[0].impersonator is None
    assert abs(events[0].occurred_at / 1000 - datetime.now(UTC).timestamp()) < 60


def test_the_week_is_recorded_through_requests(sender, events):
    now = datetime.now(UTC)
    asked = sorted(demo_events(now), key=lambda event: event["occurred_at"])
    made = send_week(sender, list(demo_events(now)))
    assert made == [event.event_id for event in events]
    recorded = Counter(event.event for event in events)
    wanted = Counter(event["event"] for event in asked)
    people = {(event["org_id"], event["actor"].id) for event in asked}
    assert set(LISTED) <= recorded.keys()
    # More, because nobody acts who is not signed in.
    more = recorded - wanted
    assert more.keys() == {"user.email.verified", "user.login"}
    assert more["user.email.verified"] == len(people)
    assert not wanted - recorded

    by_id = {event.event_id: event for event in events}
    times = [event.occurred_at for event in events]
    assert min(times) > (now - timedelta(days=7, minutes=30)).timestamp() * 1000
    theirs = [event for event in events if event.impersonator is not None]
    assert theirs
    assert {event.impersonator for event in theirs} == {SUPPORT}
    assert {event.outcome for event in events} == {"success", "failure"}
    assert {event.context.service for event in events} == {"accounts", "billing"}
    assert len(by_id) == len(events)
    assert len({event.context.ip for event in events}) == 6
    assert "127.0.0.1" not in {event.context.ip for event in events}
    assert {(event.org_id, event.actor.id) for event in events} == people
    assert all(event.actor.id.startswith(f"u-{event.org_id}-") for event in events)


def test_the_sample_leaves_the_logging_of_its_process_alone(sender):
    root = logging.getLogger()
    before = (root.level, list(root.handlers))
    with TestClient(create_app(sender)):
        assert (root.level, root.handlers) == before
    assert (root.level, root.handlers) == before
