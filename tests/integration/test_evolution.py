"""While producers are upgraded one by one, events of two schemas arrive at once."""

import json

import pytest
from tests.support.events import record
from tests.support.evolution import later_schema

from orgtrail_schemas.codec import encode
from orgtrail_schemas.event_schema import event_schemas

OLDEST = event_schemas()[0]
NEWEST = later_schema()
EACH = 50


@pytest.fixture
def learned(running, tmp_path):
    """The stack's consumer, started with the newest schema in its directory."""
    (tmp_path / "newest.avsc").write_text(json.dumps(NEWEST.definition))
    running.stack.consumer.stop()
    running.stack.start_consumer({"ORGTRAIL_SCHEMA_DIR": str(tmp_path)})
    yield
    running.stack.consumer.stop()
    running.stack.start_consumer()


def test_events_of_the_oldest_and_the_newest_schema_are_stored_at_once(running, learned):
    org = "evolution"
    written = {}
    for number in range(EACH):
        for schema in (OLDEST, NEWEST):
            event = record(org_id=org, metadata={"number": str(number)})
            written[event["event_id"]] = (schema.fingerprint, str(number))
            known = event if schema is OLDEST else event | {"region": "eu"}
            running.raw.send(encode(schema, known), org.encode())
    events = running.wait_for(org, 2 * EACH)
    stored = {e["event_id"]: (e["schema_fingerprint"], e["metadata"]["number"]) for e in events}
    assert stored == written
    assert running.get(f"/v1/orgs/{org}/events", org=org).json()["set_aside"] == 0
