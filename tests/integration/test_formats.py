"""Every format of an export holds what the API says, and says what it covers."""

import csv
import gzip
import io
import json
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from tests.support.events import emit_arguments
from tests.support.parquet import parquet

from orgtrail import Actor, Change, Context, Target
from orgtrail_query_service.reads.export_formats import FORMATS

ORG = "formats"
LINK = f"/v1/orgs/{ORG}/events/export"
ONLY = {"exclude_event": "org.audit-log.*"}


@pytest.fixture(scope="module")
def events(running):
    """What the API shows of two events: one with everything, one with little."""
    with running.producer() as producer:
        producer.emit(
            "org.user.role.updated",
            org_id=ORG,
            actor=Actor(id="u-1", email="alice@x", name="Zoë “Z”, 北京 🦊"),
            impersonator=Actor(type="support", id="s-1", email="sam@x", name="Sam"),
            targets=[Target(type="user", id="u-2", email="bob@x"), Target(type="team", id="t-1")],
            changes=[
                Change(field="role", old="member", new="admin"),
                Change(field="name", old=None, new="a\nb"),
            ],
            context=Context(ip="80.67.169.12", user_agent="curl/8.5.0", session_id="s"),
            metadata={"b": "2", "a": "1,\"'"},
        )
        producer.emit("user.login", **emit_arguments("user.login") | {"org_id": ORG})
    running.wait_for(ORG, 2)
    return timed(running.events(ORG))


def timed(rows):
    """With times parsed: their text may have more or fewer zeros at its end."""
    for row in rows:
        for name in ("occurred_at", "received_at", "ingested_at"):
            row[name] = datetime.fromisoformat(row[name])
            assert row[name].utcoffset() is not None
    return rows


def ask(running, suffix, **more):
    return running.get(f"{LINK}.{suffix}", org=ORG, **ONLY, **more)


def test_json_lines_are_the_events_of_the_api(running, events):
    answer = ask(running, "jsonl")
    assert answer.headers["content-type"] == "application/jsonl"
    assert timed([json.loads(line) for line in answer.text.splitlines()]) == events


def test_parquet_holds_the_events_of_the_api(running, events):
    rows = parquet(ask(running, "parquet").content)
    for row in rows:
        row["metadata"] = dict(row["metadata"])
    assert rows == events


def test_csv_has_a_byte_order_mark_when_asked_for(running, events):
    plain, marked = ask(running, "csv"), ask(running, "csv", bom="true")
    assert marked.content == b"\xef\xbb\xbf" + plain.content
    (first, _) = csv.DictReader(io.StringIO(marked.content.decode("utf-8-sig"), newline=""))
    assert {first["actor_name"]} <= {e["actor"]["name"] for e in events}
    assert ask(running, "csv", bom="false").content == plain.content
    for suffix, wrong in (("csv", "yes"), ("csv", ["true", "true"]), ("jsonl", "true")):
        assert ask(running, suffix, bom=wrong).status_code == 400


@pytest.mark.parametrize(
    ("accept", "suffix"),
    [
        (None, "csv"),
        ("*/*", "csv"),
        ("text/csv", "csv"),
        ("application/jsonl", "jsonl"),
        ("application/vnd.apache.parquet", "parquet"),
        ("text/csv;q=0.1, application/jsonl", "jsonl"),
        ("text/csv;q=0, */*", "jsonl"),
        ("text/csv;q=0, application/jsonl;q=0.0, */*;q=0.1", "parquet"),
    ],
)
def test_the_format_by_accept(running, events, accept, suffix):
    headers = {"Authorization": f"Bearer {running.token(ORG)}"}
    with httpx.Client(base_url=running.stack.page) as client:
        client.headers.pop("accept")
        if accept:
            headers["Accept"] = accept
        answer = client.get(LINK, params=ONLY, headers=headers)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith(FORMATS[suffix].media_type)
    assert answer.headers["content-disposition"].endswith(f'.{suffix}"')
    assert "Accept" in answer.headers["vary"]
    if suffix != "parquet":
        assert answer.content == ask(running, suffix).content


def test_a_format_that_is_not_made(running, events):
    for accept in ("application/pdf", "text/csv;q=0"):
        headers = {"Authorization": f"Bearer {running.token(ORG)}", "Accept": accept}
        answer = httpx.get(running.stack.page + LINK, headers=headers)
        assert answer.status_code == 406
        assert "text/csv" in answer.json()["detail"]
    assert running.get(f"{LINK}.pdf", org=ORG).status_code == 404


def test_it_comes_compressed_when_the_client_can(running, events):
    headers = {"Authorization": f"Bearer {running.token(ORG)}", "Accept-Encoding": "gzip"}
    with httpx.stream(
        "GET", f"{running.stack.page}{LINK}.jsonl", params=ONLY, headers=headers
    ) as answer:
        raw = b"".join(answer.iter_raw())
    assert answer.headers["content-encoding"] == "gzip"
    assert gzip.decompress(raw) == ask(running, "jsonl").content
    plain = httpx.get(
        f"{running.stack.page}{LINK}.jsonl",
        params=ONLY,
        headers=headers | {"Accept-Encoding": "identity"},
    )
    assert "content-encoding" not in plain.headers
    assert plain.content == gzip.decompress(raw)


def test_it_says_what_it_covers(running, events):
    headers = ask(running, "csv").headers
    assert headers["orgtrail-set-aside"] == "0"
    assert datetime.fromisoformat(headers["orgtrail-settled-through"]) <= datetime.now(UTC)
    disposition = headers["content-disposition"]
    assert f"audit-log-{ORG}-2" in disposition
    # The day may have changed meanwhile.
    days = (datetime.now(UTC), datetime.now(UTC) - timedelta(minutes=5))
    assert any(f"-{day:%Y%m%d}.csv" in disposition for day in days)


def test_the_api_and_the_exports_write_times_alike(running):
    org = "times-alike"
    moments = [datetime.now(UTC).replace(microsecond=ms * 1000) for ms in (0, 7, 120, 999)]
    with running.producer() as producer:
        for moment in moments:
            producer.emit("user.login", org_id=org, actor=Actor(id="u"), occurred_at=moment)
    running.wait_for(org, 4)
    events = running.events(org)
    found = {
        e["event_id"]: [e[n] for n in ("occurred_at", "received_at", "ingested_at")] for e in events
    }
    lines = running.get(f"/v1/orgs/{org}/events/export.jsonl", org=org, event="user.login").text
    exported = {
        e["event_id"]: [e[n] for n in ("occurred_at", "received_at", "ingested_at")]
        for e in map(json.loads, lines.splitlines())
    }
    assert found == exported
    text = running.get(f"/v1/orgs/{org}/events/export.csv", org=org, event="user.login").text
    rows = csv.DictReader(io.StringIO(text, newline=""))
    assert {r["event_id"]: r["occurred_at"] for r in rows} == {i: t[0] for i, t in found.items()}
    one = running.get(f"/v1/orgs/{org}/events/{events[0]['event_id']}", org=org).json()
    assert one["occurred_at"] == found[one["event_id"]][0]
