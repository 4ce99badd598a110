"""Enrich decoded columns to rows of the storage table. Pure and columnar."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from orgtrail_consumers.kafka.batch import Batch, Rejected
from orgtrail_consumers.steps.columns import fill, lookup, nested
from orgtrail_consumers.steps.decode import Decoded
from orgtrail_consumers.steps.redact import redact_changes, redact_metadata
from orgtrail_schemas.catalogue import level_of
from orgtrail_schemas.limits import CLOCK_SKEW, RETENTION
from orgtrail_schemas.reasons import Reason

_MILLISECOND = timedelta(milliseconds=1)
_CLOCK_SKEW_MS = CLOCK_SKEW // _MILLISECOND
_RETENTION_MS = RETENTION // _MILLISECOND

_UUID = "^[0-9a-fA-F]{8}-([0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}$"

Countries = Callable[[Sequence[str]], list[str]]
"""Returns the ISO 3166-1 alpha-2 codes of IP addresses, in order; empty where unknown."""


class Client(NamedTuple):
    """The display names of a user agent's parts; empty where unknown."""

    browser: str
    os: str
    device: str


@dataclass(frozen=True)
class Resolvers:
    """The two look-ups of enrichment. Each is done once per distinct value of a batch."""

    countries: Countries
    client: Callable[[str], Client]


class Enriched(NamedTuple):
    """``rows`` are for ``audit.events_store``; ``rejected`` has the other decoded records."""

    rows: pa.Table
    rejected: list[Rejected]


def enrich(decoded: Decoded, batch: Batch, resolvers: Resolvers, now_ms: int) -> Enriched:
    """The rows to store, and the decoded records that cannot be stored.

    ``now_ms`` becomes ``ingested_at``: milliseconds since 1970, UTC.
    """
    columns = decoded.columns.append_column("position", decoded.positions)
    columns = columns.append_column("schema_fingerprint", decoded.fingerprints)
    received = batch.records.timestamps.take(decoded.positions)
    columns = columns.append_column("received", received)
    columns, rejected = _reject(columns)
    return Enriched(_rows(columns, batch, resolvers, now_ms), rejected)


def _reject(columns: pa.RecordBatch) -> tuple[pa.RecordBatch, list[Rejected]]:
    occurred, received = columns["occurred_at"], columns["received"]
    plausible = pc.and_(
        pc.less_equal(occurred, pc.add(received, _CLOCK_SKEW_MS)),
        pc.greater_equal(occurred, pc.subtract(received, _RETENTION_MS)),
    )
    checks: list[tuple[Reason, str, pa.BooleanArray]] = [
        ("missing_organization", "org_id is empty", pc.not_equal(columns["org_id"], "")),
        ("missing_event", "event is empty", pc.not_equal(columns["event"], "")),
        (
            "invalid_event_id",
            "event_id is not a UUID",
            pc.match_substring_regex(columns["event_id"], _UUID),
        ),
        ("implausible_time", "occurred_at is too far from the time of receipt", plausible),
        ("malformed", "outcome is null", pc.is_valid(columns["outcome"])),
    ]
    rejected: list[Rejected] = []
    for reason, detail, holds in checks:
        # A writer's schema may allow null where the current one does not.
        good = pc.fill_null(holds, False)
        if pc.all(good).as_py() is False:
            bad = columns.filter(pc.invert(good))["position"].to_pylist()
            seen = {r.position for r in rejected}
            rejected += [Rejected(p, reason, detail) for p in bad if p not in seen]
    if rejected:
        bad_positions = pa.array([r.position for r in rejected], pa.int64())
        columns = columns.filter(pc.invert(pc.is_in(columns["position"], bad_positions)))
    return columns, rejected


def _rows(columns: pa.RecordBatch, batch: Batch, resolvers: Resolvers, now_ms: int) -> pa.Table:
    count = columns.num_rows
    events = columns["event"]
    origin = {name: pc.struct_field(columns["context"], name) for name in _CONTEXT}
    clients = lookup(origin["user_agent"], lambda texts: [resolvers.client(t) for t in texts])
    instant = pa.timestamp("ms", "UTC")
    return pa.table(
        {
            "event_id": columns["event_id"],
            "occurred_at": columns["occurred_at"].cast(instant),
            "org_id": columns["org_id"],
            "event": events,
            "level": lookup(events, lambda keys: [level_of(key) for key in keys]).texts(),
            "outcome": columns["outcome"],
            **_person(columns["actor"], "actor"),
            **_person(columns["impersonator"], "impersonator"),
            **nested(columns["targets"], "targets", ("type", "id", "email", "name")),
            **nested(
                redact_changes(events, columns["changes"]), "changes", ("field", "old", "new")
            ),
            "ip": origin["ip"],
            "country": lookup(origin["ip"], resolvers.countries).texts(),
            "user_agent": origin["user_agent"],
            "browser": clients.texts(lambda client: client.browser),
            "os": clients.texts(lambda client: client.os),
            "device": clients.texts(lambda client: client.device),
            "service": origin["service"],
            "request_id": origin["request_id"],
            "session_id": origin["session_id"],
            "trace_id": origin["trace_id"],
            "metadata": redact_metadata(events, columns["metadata"]),
            "received_at": columns["received"].cast(instant),
            "ingested_at": fill(now_ms, count, pa.int64()).cast(instant),
            "kafka_topic": fill(batch.topic, count, pa.string()),
            "kafka_partition": fill(batch.partition, count, pa.uint32()),
            "kafka_offset": batch.records.offsets.take(columns["position"]),
            "schema_fingerprint": columns["schema_fingerprint"],
        }
    )


_CONTEXT = ("ip", "user_agent", "request_id", "session_id", "service", "trace_id")


def _person(person: pa.StructArray, prefix: str) -> dict[str, pa.StringArray]:
    return {
        f"{prefix}_{name}": pc.fill_null(pc.struct_field(person, name), "")
        for name in ("type", "id", "email", "name")
    }
