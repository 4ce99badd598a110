from datetime import UTC, datetime, timedelta, timezone

import pytest
import structlog

from orgtrail import AuditProducer, Context, ProducerSettings
from orgtrail.errors import SpoolFullError, UndeliveredError
from orgtrail_query_service import self_audit as module
from orgtrail_query_service.auth.administrator import Administrator
from orgtrail_query_service.problems import Problem
from orgtrail_query_service.reads.search import parse_search
from orgtrail_query_service.self_audit import SelfAudit, view_id

NOW = datetime(2026, 11, 23, 12, 34, 56, tzinfo=UTC)
HOUR = datetime(2026, 11, 23, 12, tzinfo=UTC)
HOUR_MS = int(HOUR.timestamp() * 1000)
ALICE = Administrator("alice", ("acme",), email="alice@x.org", name="Alice")
SEARCH = parse_search(
    [("user", "bob@x.org"), ("since", "2026-11-01T00:00:00Z"), ("until", "2026-11-02T00:00:00Z")],
    NOW,
)


def make(required=True):
    return SelfAudit(AuditProducer(ProducerSettings(service="orgtrail")), required=required)


def fail(monkeypatch, name, error):
    def refuse(*_args, **_given):
        raise error

    monkeypatch.setattr(AuditProducer, name, refuse)


def test_a_view_says_who_saw_what(audit):
    script = Administrator("robot", ("acme",), type="service_account")
    for who in (ALICE, script):
        make().viewed("acme", who, Context(ip="203.0.113.7"), NOW)
    first, second = audit.events
    assert (first.event, first.org_id, first.occurred_at) == (
        "org.audit-log.viewed",
        "acme",
        HOUR_MS,
    )
    assert (first.actor.type, first.actor.id, first.actor.email) == ("user", "alice", "alice@x.org")
    assert (first.targets[0].type, first.targets[0].id) == ("organization", "acme")
    assert first.context.ip == "203.0.113.7"
    # A reader can tell when it was, although the event stands for the hour.
    assert first.metadata["first_viewed_at"] == "2026-11-23T12:34:56.000Z"
    assert second.actor.type == "service_account"


def test_a_view_is_recorded_once_in_an_hour(audit):
    views, bob = make(), Administrator("bob", ("acme",))
    for org, who, minutes in [
        ("acme", ALICE, 0), ("acme", ALICE, 25), ("acme", ALICE, 26), ("globex", ALICE, 0), ("acme", bob, 0),
    ]:  # fmt: skip
        views.viewed(org, who, Context(), NOW + timedelta(minutes=minutes))
    assert [(e.org_id, e.actor.id, e.occurred_at) for e in audit.events] == [
        ("acme", "alice", HOUR_MS),
        ("acme", "alice", HOUR_MS + 3_600_000),
        ("globex", "alice", HOUR_MS),
        ("acme", "bob", HOUR_MS),
    ]


@pytest.mark.parametrize(
    "zone", [timezone(timedelta(hours=5, minutes=45)), timezone(-timedelta(hours=9))]
)
def test_several_workers_record_one_event(audit, zone):
    make().viewed("acme", ALICE, Context(), NOW)
    make().viewed("acme", ALICE, Context(), NOW.astimezone(zone) + timedelta(minutes=5))
    first, second = audit.events
    assert (first.event_id, first.occurred_at) == (second.event_id, second.occurred_at)


def test_a_view_that_cannot_be_recorded_is_tried_again(audit, monkeypatch):
    views = make()
    with monkeypatch.context() as patch, structlog.testing.capture_logs() as logs:
        fail(patch, "emit", SpoolFullError("alice@x.org"))
        views.viewed("acme", ALICE, Context(), NOW)
    assert [entry["event"] for entry in logs] == ["view_not_recorded"]
    assert "alice" not in str(logs)
    views.viewed("acme", ALICE, Context(), NOW)
    assert len(audit.events) == 1


def test_what_is_remembered_is_bounded(audit, monkeypatch):
    monkeypatch.setattr(module, "_REMEMBERED", 2)
    views = make()
    for org in ("a", "b", "c", "c", "a"):
        views.viewed(org, ALICE, Context(), NOW)
    assert [event.org_id for event in audit.events] == ["a", "b", "c", "a"]
    assert len(views._seen) <= 2


def test_the_id_is_a_uuid7_of_the_hour():
    found = view_id("acme", "alice", HOUR)
    assert (found.version, found.variant) == (7, "specified in RFC 4122")
    assert found.int >> 80 == HOUR.timestamp() * 1000


@pytest.mark.parametrize(
    "other", [("acme", "bob", HOUR), ("globex", "alice", HOUR), ("acmea", "lice", HOUR), ("", "acmealice", HOUR)]
)  # fmt: skip
def test_ids_of_other_views_differ(other):
    assert view_id(*other) != view_id("acme", "alice", HOUR)


async def test_an_export_says_what_was_taken(audit):
    await make().exported("acme", ALICE, Context(), SEARCH, "csv")
    (event,) = audit.events
    assert (event.event, event.org_id, event.actor.id) == (
        "org.audit-log.exported",
        "acme",
        "alice",
    )
    assert event.metadata == {
        "format": "csv",
        "filters": "user=bob%40x.org&since=2026-11-01T00%3A00%3A00.000Z&until=2026-11-02T00%3A00%3A00.000Z",
    }


async def test_every_export_is_recorded(audit):
    exports = make()
    for _ in range(2):
        await exports.exported("acme", ALICE, Context(), SEARCH, "csv")
    assert len({event.event_id for event in audit.events}) == 2


@pytest.mark.parametrize("required", [True, False])
async def test_an_export_without_a_record_is_refused_or_logged(monkeypatch, required):
    fail(monkeypatch, "emit_confirmed", SpoolFullError("alice@x.org"))
    with structlog.testing.capture_logs() as logs:
        if required:
            with pytest.raises(Problem) as raised:
                await make().exported("acme", ALICE, Context(), SEARCH, "csv")
            assert raised.value.kind == "not-recorded"
        else:
            await make(required=False).exported("acme", ALICE, Context(), SEARCH, "csv")
    assert [(e["event"], e["refused"]) for e in logs] == [("export_not_recorded", required)]


def test_a_stop_ends_although_views_are_lost(monkeypatch):
    fail(monkeypatch, "close", UndeliveredError(3))
    with structlog.testing.capture_logs() as logs:
        make().close()
    assert [entry["event"] for entry in logs] == ["views_not_recorded"]
