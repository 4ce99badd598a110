"""``orgtrail up --check``: sends one event of each type, and reads it back by API, CSV and SQL."""

from __future__ import annotations

import csv
import io
import tempfile
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console
from rich.table import Table

from orgtrail import Actor, AuditProducer, Change, Context, Target
from orgtrail_deploy.local.issuer import make_token
from orgtrail_deploy.local.ports import LOOPBACK, free_ports
from orgtrail_deploy.local.secrets import ANALYST, load_secrets
from orgtrail_deploy.local.settings import LocalSettings
from orgtrail_deploy.local.stack import Stack
from orgtrail_deploy.local.up import start
from orgtrail_schemas.catalogue import REDACTED, EventType, catalogue, examples
from orgtrail_schemas.reading import convert

ORG = "acme"
SECRET = "hunter2"  # noqa: S105 - all secret values of the examples contain this word

Found = dict[str, dict[str, Any]]
"""The events that one reader returned, flattened to comparable fields, by event ID."""


def run_check(console: Console) -> int:
    """Check the whole path in a new folder on free ports. Return the exit code.

    Raises:
        StackError: the stack does not start.
    """
    began = time.monotonic()
    names = list(LocalSettings.__struct_fields__)
    settings = LocalSettings(**dict(zip(names, free_ports(len(names)), strict=True)))
    with tempfile.TemporaryDirectory(prefix="orgtrail-check-") as folder:
        stack = Stack(Path(folder) / "stack", settings)
        try:
            start(stack, console)
            with console.status("Sending one event of each type …"):
                sent = _send(stack)
                token = make_token(stack.root, [ORG], datetime.now(UTC))
                found = _read_all(stack, token, set(sent))
        finally:
            stack.stop()
    failures = _report(console, sent, found)
    seconds = time.monotonic() - began
    console.print(f"{len(sent)} event types checked, {failures} failures, {seconds:.0f} s")
    return 1 if failures else 0


def _send(stack: Stack) -> dict[str, EventType]:
    """Emit an example of each type that services emit. Return the types by event ID."""
    sent: dict[str, EventType] = {}
    with AuditProducer(stack.producer_settings()) as producer:
        for event in catalogue().events.values():
            if event.own:
                continue
            example = examples()[event.key]
            event_id = producer.emit(
                event.key,
                org_id=ORG,
                actor=convert(example["actor"], Actor),
                targets=convert(example.get("targets", []), list[Target]),
                changes=convert(example.get("changes", []), list[Change]),
                context=convert(example.get("context", {}), Context),
                metadata=example.get("metadata"),
            )
            sent[event_id] = event
    return sent


def _read_all(stack: Stack, token: str, wanted: set[str]) -> dict[str, Found]:
    readers: dict[str, Callable[[], Found]] = {
        "API": lambda: _by_api(stack, token),
        "CSV": lambda: _by_csv(stack, token),
        "SQL": lambda: _by_sql(stack),
    }
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and not wanted <= _by_api(stack, token).keys():
        time.sleep(0.1)
    return {name: _of_services(read()) for name, read in readers.items()}


def _of_services(found: Found) -> Found:
    """Leave out the events that Orgtrail recorded because this check read the log."""
    own = {event.key for event in catalogue().events.values() if event.own}
    return {key: fields for key, fields in found.items() if fields["event"] not in own}


def _by_api(stack: Stack, token: str) -> Found:
    answer = httpx.get(
        f"{stack.page}/v1/orgs/{ORG}/events",
        params={"limit": 1000},
        headers={"Authorization": f"Bearer {token}"},
    )
    answer.raise_for_status()
    found: Found = {}
    for event in answer.json()["events"]:
        context, actor = event["context"], event["actor"]
        found[event["event_id"]] = {
            "event": event["event"],
            "event_name": event["event_name"],
            "level": event["level"],
            "listed": event["listed"],
            "outcome": event["outcome"],
            **{f"actor_{name}": value for name, value in actor.items()},
            "targets": [tuple(t[n] for n in _TARGET) for t in event["targets"]],
            "changes": [(c["field"], c["old"], c["new"]) for c in event["changes"]],
            **{name: context[name] for name in _CONTEXT},
            "metadata": event["metadata"],
        }
    return found


def _by_csv(stack: Stack, token: str) -> Found:
    answer = httpx.get(
        f"{stack.page}/v1/orgs/{ORG}/events/export.csv",
        headers={"Authorization": f"Bearer {token}"},
    )
    answer.raise_for_status()
    found: Found = {}
    for row in csv.DictReader(io.StringIO(answer.text, newline="")):
        targets = [row[f"target_{name}"].split("\n") for name in _TARGET]
        changes = [row[n].split("\n") for n in ("changed_field", "original_value", "changed_value")]
        found[row["event_id"]] = {
            **{n: row[n] for n in ("event", "event_name", "level", "outcome")},
            **{f"actor_{n}": row[f"actor_{n}"] for n in _TARGET},
            "targets": list(zip(*targets, strict=True)),
            "changes": list(zip(*changes, strict=True)) if row["changed_field"] else [],
            **{n: row["ip_address" if n == "ip" else n] for n in _CONTEXT if n in _CSV_CONTEXT},
        }
    return found


def _by_sql(stack: Stack) -> Found:
    import clickhouse_connect

    with clickhouse_connect.get_client(
        host=LOOPBACK,
        port=stack.settings.clickhouse_http_port,
        username=ANALYST.name,
        password=load_secrets(stack.root).passwords[ANALYST.name],
        autogenerate_session_id=False,
    ) as client:
        result = client.query("SELECT * FROM audit.events")
    found: Found = {}
    for row in result.named_results():
        found[str(row["event_id"])] = {
            **{n: row[n] for n in ("event", "event_name", "level", "listed", "outcome")},
            **{f"actor_{n}": row[f"actor_{n}"] for n in _TARGET},
            "targets": list(zip(*(row[f"targets.{n}"] for n in _TARGET), strict=True)),
            "changes": list(zip(*(row[f"changes.{n}"] for n in _CHANGE), strict=True)),
            **{n: row[n] for n in _CONTEXT},
            "metadata": row["metadata"],
        }
    return found


_TARGET = ("type", "id", "email", "name")
_CHANGE = ("field", "old", "new")
_CONTEXT = ("ip", "user_agent", "request_id", "session_id", "service", "trace_id", "browser", "os")
_CSV_CONTEXT = ("ip", "user_agent", "request_id", "service", "browser", "os")


def _expected(event: EventType) -> dict[str, Any]:
    """The fields that every reader must return, derived from the example alone."""
    example = examples()[event.key]
    actor = {name: example["actor"].get(name, "") for name in _TARGET}
    targets = example.get("targets") or [example["actor"]]
    context = {**dict.fromkeys(_CONTEXT, ""), **example.get("context", {})}
    browser, system = ("Chrome 142", "Linux") if context["user_agent"] else ("", "")
    return {
        "event": event.key,
        "event_name": event.name,
        "level": event.level,
        "listed": True,
        "outcome": "success",
        **{f"actor_{name}": value for name, value in actor.items()},
        "targets": [tuple(t.get(n, "") for n in _TARGET) for t in targets],
        "changes": [
            (c["field"], _visible(c["old"]), _visible(c["new"])) for c in example.get("changes", [])
        ],
        "service": "",
        **context,
        "browser": browser,
        "os": system,
        "metadata": {k: _visible(v) for k, v in example.get("metadata", {}).items()},
    }


def _visible(value: str | None) -> str | None:
    return REDACTED if value is not None and SECRET in value else value


def _report(console: Console, sent: Mapping[str, EventType], found: Mapping[str, Found]) -> int:
    table = Table("event", *found, "fields checked")
    failures = 0
    for event_id, event in sent.items():
        expected = _expected(event)
        cells, checked = [], 0
        for name, events in found.items():
            seen = events.get(event_id)
            wrong = ["missing"] if seen is None else _differences(expected, seen, name)
            checked += len(seen or {})
            failures += bool(wrong)
            cells.append("[red]" + ", ".join(wrong) + "[/]" if wrong else "ok")
        table.add_row(event.key, *cells, str(checked))
    console.print(table)
    for name, events in found.items():
        if len(events) != len(sent):
            failures += 1
            console.print(f"{name}: found {len(events)} events, expected {len(sent)}")
        if SECRET in repr(events):
            failures += 1
            console.print(f"{name}: returned a secret value that should be redacted")
    return failures


def _differences(expected: dict[str, Any], seen: dict[str, Any], reader: str) -> list[str]:
    blank = reader == "CSV"  # CSV has no null, so an empty cell represents it
    return [name for name, value in seen.items() if value != _cell(expected[name], blank)]


def _cell(value: Any, blank: bool) -> Any:
    if blank and isinstance(value, list):
        return [tuple("" if part is None else part for part in item) for item in value]
    return value
