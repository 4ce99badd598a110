from collections import Counter
from datetime import UTC, datetime, timedelta

from orgtrail.build import build_event
from orgtrail_deploy.local.demo import demo_events
from orgtrail_schemas.catalogue import catalogue

LISTED = {e.key for e in catalogue().events.values() if not e.own}
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


def test_the_week_is_believable():
    events = list(demo_events(NOW))
    assert len(events) > 1000
    assert all(NOW - timedelta(days=7) <= e["occurred_at"] <= NOW for e in events)
    assert Counter(e["org_id"] for e in events).keys() == {"acme", "globex"}
    assert {e["event"] for e in events} == LISTED
    assert any(e["outcome"] == "failure" for e in events)
    assert any(e["impersonator"] for e in events)


def test_every_event_is_one_that_the_sdk_takes():
    for event in demo_events(NOW):
        assert build_event(event.pop("event"), **event, now=NOW)
