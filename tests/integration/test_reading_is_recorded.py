"""Who reads is recorded: once an hour, truthfully, and also while Kafka is away."""

from datetime import UTC, datetime, timedelta

import httpx
from tests.support.running import eventually
from tests.support.service import own_service

ORG = "watched"
VIEWED = {"event": "org.audit-log.viewed"}


def views(running, org=ORG):
    answer = running.get(f"/v1/orgs/{org}/events", org="nobody", token=running.token(org), **VIEWED)
    return answer.json()["events"]


def test_a_view_while_kafka_is_away_is_recorded_later(running, tmp_path):
    spool = {"spool_dir": str(tmp_path / "spool")}
    before = datetime.now(UTC)
    with own_service(running, tmp_path, kafka_brokers="127.0.0.1:1", **spool) as service:
        token = running.token(ORG)
        assert service.get(f"/v1/orgs/{ORG}/events", token).status_code == 200
        after = datetime.now(UTC)
    # The next process with the same folder delivers it, though nobody views this organization there.
    with own_service(running, tmp_path, **spool) as service:
        assert httpx.get(f"{service.url}/readyz").status_code == 200
        sql = "SELECT metadata['first_viewed_at'], occurred_at FROM audit.events WHERE org_id = {org:String}"
        ((first, occurred_at),) = eventually(lambda: running.sql(sql, org=ORG), 60)
    moment = datetime.fromisoformat(first)
    assert before - timedelta(milliseconds=1) <= moment <= after
    assert occurred_at.replace(tzinfo=UTC) == moment.replace(minute=0, second=0, microsecond=0)


def test_the_page_says_that_a_view_stands_for_its_hour(running):
    org = "watched-page"
    running.get(f"/v1/orgs/{org}/events", org=org)
    event = eventually(lambda: views(running, org))[0]
    headers = {"Authorization": f"Bearer {running.token(org)}", "Accept": "text/html"}
    table = httpx.get(f"{running.stack.page}/orgs/{org}/audit-logs", headers=headers).text
    assert "in the hour from" in table
    address = f"{running.stack.page}/orgs/{org}/audit-logs/{event['event_id']}"
    detail = httpx.get(address, headers=headers).text
    assert "in the hour from" in detail
    assert event["metadata"]["first_viewed_at"] in detail


def test_what_was_set_aside_is_listed_for_its_administrator_alone(running):
    org = "aside-listed"
    running.raw.send(b"\xc3\x01garbage", org.encode())
    running.raw.send(b"", org.encode())
    link = f"/v1/orgs/{org}/set-aside"

    def listed():
        found = running.get(link, org=org).json()
        return found["total"] == 2 and found

    found = eventually(listed)
    assert {one["reason"] for one in found["reasons"]} == {"unknown_framing", "empty_value"}
    assert all(reason["meaning"] for reason in found["reasons"])
    assert len(found["records"]) == 2
    assert running.get(link, org="someone-else").status_code == 404
    headers = {"Authorization": f"Bearer {running.token(org)}", "Accept": "text/html"}
    page = httpx.get(f"{running.stack.page}/orgs/{org}/audit-logs", headers=headers).text
    assert f"/orgs/{org}/audit-logs/set-aside" in page
    told = httpx.get(f"{running.stack.page}/orgs/{org}/audit-logs/set-aside", headers=headers).text
    assert "2 records could not be stored" in told
    assert "orgtrail dlq list" in told
    for record in found["records"]:
        source = record["source"]
        assert f"{source['topic']}/{source['partition']}/{source['offset']}" in told
