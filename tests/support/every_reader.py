"""One organization's events as every reader shows them; they must agree."""

from __future__ import annotations

import csv
import html
import io
import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
from tests.support.parquet import parquet
from tests.support.running import Running

from orgtrail_query_service.reads.display import plain
from orgtrail_schemas.catalogue import REDACTED
from orgtrail_schemas.tables import event_columns

_TIMES = ("occurred_at", "received_at", "ingested_at")
REDACTED_THERE = '<span class="redacted">redacted</span>'
# Times and the level are in the reader's words there.
_NOT_ON_THE_PAGE = (*_TIMES, "level", "schema_fingerprint")
_PERSON = ("type", "id", "email", "name")
_ONLY = {"exclude_event": "org.audit-log.*", "limit": 1000}
# A few values of each: a request takes some 100 ms.
_FEW = 4

Events = list[dict[str, Any]]


def every_reader_agrees(running: Running, org: str, people: int | None = None) -> Events:
    """What the API shows, newest first, after comparing it with all other readers.

    The events must have occurred within the last day. ``people`` limits how many are looked for.
    """
    events = running.events(org, **_only())
    assert _timed(events) == _exported(running, org, "jsonl") == _exported(running, org, "parquet")
    assert _sql_rows(running, org) == {e["event_id"]: _as_columns(e) for e in events}
    assert _csv_rows(running, org) == {e["event_id"]: _as_csv(e) for e in events}
    _filters_agree(running, org, events, people)
    _people_agree(running, org, events, people)
    _page_agrees(running, org, events)
    return events


def _only() -> dict[str, Any]:
    # A short range is read in fewer steps.
    return _ONLY | {"since": (datetime.now(UTC) - timedelta(days=1)).isoformat()}


def _timed(events: Events) -> Events:
    return [
        {n: datetime.fromisoformat(v) if n in _TIMES else v for n, v in e.items()} for e in events
    ]


def _export(running: Running, org: str, suffix: str) -> httpx.Response:
    only = {"exclude_event": _ONLY["exclude_event"]}
    answer = running.get(f"/v1/orgs/{org}/events/export.{suffix}", org=org, **only)
    assert answer.status_code == 200, answer.text
    response: httpx.Response = answer
    return response


def _exported(running: Running, org: str, suffix: str) -> Events:
    content = _export(running, org, suffix).content
    if suffix == "jsonl":
        return _timed([json.loads(line) for line in content.decode().split("\n")[:-1]])
    return [row | {"metadata": dict(row["metadata"])} for row in parquet(content)]


def _sql_rows(running: Running, org: str) -> dict[str, dict[str, Any]]:
    names = [column.name for column in event_columns()]
    rows = running.sql(
        f"SELECT {', '.join(f'`{n}`' for n in names)} FROM audit.events"
        " WHERE org_id = {org:String} AND event NOT LIKE 'org.audit-log.%'",
        org=org,
    )
    found = (dict(zip(names, row, strict=True)) for row in rows)
    return {
        str(row["event_id"]): {
            name: value.replace(tzinfo=UTC) if name in _TIMES else value
            for name, value in row.items()
        }
        for row in found
    }


def _as_columns(event: dict[str, Any]) -> dict[str, Any]:
    (event,) = _timed([event])
    row = {name: event[name] for name in ("org_id", "event", "event_name", "level", "listed")}
    row |= {name: event[name] for name in ("outcome", "metadata", "schema_fingerprint", *_TIMES)}
    for role in ("actor", "impersonator"):
        person = event[role] or dict.fromkeys(_PERSON, "")
        row |= {f"{role}_{name}": person[name] for name in _PERSON}
    row |= {f"targets.{name}": [t[name] for t in event["targets"]] for name in _PERSON}
    row |= {f"changes.{n}": [c[n] for c in event["changes"]] for n in ("field", "old", "new")}
    row |= event["context"]
    row |= {f"kafka_{name}": value for name, value in event["source"].items()}
    return row | {"event_id": UUID(event["event_id"])}


def _csv_rows(running: Running, org: str) -> dict[str, dict[str, Any]]:
    text = _export(running, org, "csv").content.decode()
    rows = csv.DictReader(io.StringIO(text, newline=""))
    return {
        row["event_id"]: row | {name: json.loads(row[name]) for name in ("metadata", "changes")}
        for row in rows
    }


def _as_csv(event: dict[str, Any]) -> dict[str, Any]:
    context, targets, changes = event["context"], event["targets"], event["changes"]
    impersonator = event["impersonator"] or dict.fromkeys(_PERSON, "")
    moment = datetime.fromisoformat(event["occurred_at"]).strftime("%Y-%m-%dT%H:%M:%S.%f")
    row = {
        "event_id": event["event_id"],
        "occurred_at": moment[:-3] + "Z",
        **{name: _safe(event[name]) for name in ("event", "event_name", "level", "outcome")},
        **{f"actor_{name}": _safe(event["actor"][name]) for name in _PERSON},
        **{f"impersonator_{name}": _safe(impersonator[name]) for name in _PERSON},
        **{f"target_{name}": _cell([t[name] for t in targets]) for name in _PERSON},
        "changed_field": _cell([c["field"] for c in changes]),
        "original_value": _cell([c["old"] or "" for c in changes]),
        "changed_value": _cell([c["new"] or "" for c in changes]),
        "ip_address": _safe(context["ip"]),
    }
    names = ("country", "user_agent", "browser", "os", "service", "request_id", "session_id")
    row |= {name: _safe(context[name]) for name in (*names, "device", "trace_id")}
    whole = {"metadata": event["metadata"], "changes": changes}
    return row | {name: _json_cell(name, value) for name, value in whole.items()}


_CELL = 32_700


def _json_cell(name: str, value: Any) -> Any:
    # ClickHouse escapes slashes.
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":")).replace("/", "\\/")
    if len(text.encode("utf-16-le")) // 2 <= _CELL:
        return value
    cut = "too long for a cell; JSON Lines has all"
    if name == "metadata":
        return {"orgtrail.cut": cut}
    return [{"field": "orgtrail.cut", "old": None, "new": cut}]


def _safe(text: str) -> str:
    """As docs/reading.md says: a cell that a spreadsheet would run begins with an apostrophe."""
    return f"'{text}" if text[:1] in tuple("=+-@\t\r\n") else text


def _cell(texts: list[str]) -> str:
    text = "\n".join(re.sub(r"[\r\n]+", " ", text) for text in texts)
    text = f"'{text}" if text.lstrip("\n")[:1] in tuple("=+-@\t") else text
    if len(text.encode("utf-16-le")) // 2 <= _CELL:
        return text
    return f"{text[:16_000]}… (cut: {len(text)} characters; JSON Lines has all)"


def _people(event: dict[str, Any]) -> list[dict[str, Any]]:
    return [p for p in (event["actor"], event["impersonator"], *event["targets"]) if p]


def _filters_agree(running: Running, org: str, events: Events, most: int | None) -> None:
    """Every person is found by ID and by email in another case, and by nothing else."""
    ids = {p["id"] for e in events for p in _people(e) if p["id"]}
    emails = {p["email"] for e in events for p in _people(e) if p["email"]}
    for value in sorted(ids | emails)[:most]:
        spelled = value.swapcase() if value in emails - ids and value.isascii() else value
        wanted = [
            e["event_id"]
            for e in events
            if any(p["id"] == spelled or p["email"].lower() == spelled.lower() for p in _people(e))
        ]
        found = running.events(org, user=spelled, **_only())
        assert [e["event_id"] for e in found] == wanted, value
    for name, read in (
        ("outcome", lambda e: e["outcome"]),
        ("event", lambda e: e["event"]),
        ("ip", lambda e: e["context"]["ip"]),
        ("country", lambda e: e["context"]["country"]),
        ("session_id", lambda e: e["context"]["session_id"]),
        ("request_id", lambda e: e["context"]["request_id"]),
    ):
        for value in sorted({read(e) for e in events} - {""})[:_FEW]:
            found = running.events(org, **{name: value}, **_only())
            wanted = [e["event_id"] for e in events if read(e) == value]
            assert [e["event_id"] for e in found] == wanted, (name, value)


def _people_agree(running: Running, org: str, events: Events, most: int | None) -> None:
    """Whoever has an email is completed by it."""
    emails = {p["email"] for e in events for p in _people(e) if p["email"]}
    for email in sorted(emails)[:most]:
        answer = running.get(f"/v1/orgs/{org}/people", org=org, prefix=email[:128]).json()
        assert email in {person["email"] for person in answer}, email


def _page_agrees(running: Running, org: str, events: Events) -> None:
    """The page of each event shows every text of it."""
    with httpx.Client(follow_redirects=True, timeout=30) as browser:
        browser.get(running.sign_in_link(org)).raise_for_status()
        for event in events:
            answer = browser.get(
                f"{running.stack.page}/orgs/{org}/audit-logs/{event['event_id']}",
                params={"occurred_at": event["occurred_at"]},
            )
            assert answer.status_code == 200, answer.text
            shown = html.unescape(answer.text)
            for text in _texts({n: v for n, v in event.items() if n not in _NOT_ON_THE_PAGE}):
                assert (REDACTED_THERE if text == REDACTED else plain(text)) in shown, text


def _texts(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [text for item in items for text in _texts(item)]
