"""Turns a search into SQL. No other module composes clauses.

Every read, count and export starts with ``_scope``, which adds the organization's predicate. All
values are query parameters; none becomes part of the SQL text.

Pages and counts read the storage table and not the view that data teams read: planning a view with
its types costs more than reading a page (docs/decisions.md, "Pages read the storage table").
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from itertools import product
from typing import Any, NamedTuple
from uuid import UUID

from orgtrail_query_service.reads.export_formats import Format
from orgtrail_query_service.reads.filters import Filter
from orgtrail_query_service.reads.search import Place, Search
from orgtrail_schemas.limits import CLOCK_SKEW, RETENTION_DAYS
from orgtrail_schemas.tables import stored_columns


class Statement(NamedTuple):
    """SQL with ``{name:Type}`` parameters, and their values."""

    sql: str
    parameters: dict[str, Any]


class Window(NamedTuple):
    """A half-open range of ``occurred_at``, in UTC."""

    since: datetime
    until: datetime


_COPIES = "audit.events_store"
"""All copies of all events. Skip indexes help here; a row may be a later copy of an event."""

_EVENTS = f"{_COPIES} FINAL"
"""Of each event the first copy."""

# Must equal the expression of tokens_idx (migration 0011), or the index is not used (a test).
TOKENS = r"""arrayConcat(
 [concat('actor=', actor_id), concat('actor=', lowerUTF8(actor_email)),
  concat('impersonator=', impersonator_id), concat('impersonator=', lowerUTF8(impersonator_email)),
  concat('ip=', ip), concat('event=', toString(event)), concat('level=', toString(level)),
  concat('outcome=', outcome), concat('country=', country)],
 splitByChar('\0', concat('target=', arrayStringConcat(targets.id, '\0target='))),
 splitByChar('\0', concat('target=', lowerUTF8(arrayStringConcat(targets.email, '\0target=')))))"""

_MOST_COMBINATIONS = 12
"""Planning each combination takes a fraction of a millisecond."""


def page(
    org: str,
    search: Search,
    window: Window,
    after: Place | None,
    limit: int,
    columns: Sequence[str] = stored_columns(),
) -> Statement:
    """Events of a window, in order, after a keyset position."""
    where, parameters = _filtered(org, search, window, after)
    return Statement(
        f"SELECT {_names(columns)} FROM {_EVENTS} WHERE {where} {_order(search)} LIMIT {limit:d}",
        parameters,
    )


def candidates(
    org: str, search: Search, window: Window, after: Place | None, limit: int, *, old: bool = False
) -> Statement:
    """Step one of a filtered read: the keys that may match. A key may occur twice.

    ``old``: the window is the long one behind the newest week. Few rows are expected to match
    there, or the page would be full, and its parts have been merged.
    """
    groups = _by_tokens(search, alone=old)
    conditions = _first_conditions(search, groups)
    where, parameters = _filtered(org, search, window, after, conditions)
    order = _order(search)
    if old and len(groups) > 1:
        # Where few rows match, looking at all of the index at once is faster than in order. The
        # function keeps ClickHouse from reading in the table's order (docs/decisions.md).
        order = order.replace("occurred_at", "identity(occurred_at)", 1)
    return Statement(
        f"SELECT occurred_at, event_id FROM {_COPIES} WHERE {where} {order} LIMIT {limit:d}",
        parameters,
    )


def received(
    org: str, search: Search, window: Window, after: tuple[datetime, int, int], limit: int
) -> Statement:
    """The keys of the records that were received in a window, in order of receipt.

    They come after a position: time of receipt, partition and offset. Some may be later copies.
    """
    where, parameters = _kept(org)
    conditions, of_filters = _first_conditions(search, _by_tokens(search))
    moment, partition, offset = after
    clauses = [
        where,
        "received_at >= {since:DateTime64(3, 'UTC')}",
        "received_at < {until:DateTime64(3, 'UTC')}",
        "(received_at > {after:DateTime64(3, 'UTC')} OR received_at = {after:DateTime64(3, 'UTC')}"
        " AND (kafka_partition > {after_partition:Int64} OR"
        " kafka_partition = {after_partition:Int64} AND kafka_offset > {after_offset:UInt64}))",
        *conditions,
    ]
    parameters |= of_filters | {
        "since": _instant(window.since),
        "until": _instant(window.until),
        "after": _instant(moment),
        "after_partition": partition,
        "after_offset": offset,
    }
    return Statement(
        "SELECT occurred_at, event_id, received_at, kafka_partition, kafka_offset"
        f" FROM {_COPIES} WHERE {' AND '.join(clauses)}"
        f" ORDER BY received_at, kafka_partition, kafka_offset LIMIT {limit:d}",
        parameters,
    )


def events_of(
    org: str, search: Search, keys: Sequence[Place], columns: Sequence[str] = stored_columns()
) -> Statement:
    """Step two: of the candidates, the events whose first copy matches the filters."""
    where, parameters = _kept(org)
    conditions, more = _conditions(search)
    conditions = [
        "(occurred_at, event_id) IN {keys:Array(Tuple(DateTime64(3, 'UTC'), UUID))}",
        *conditions,
    ]
    parameters |= more | {"keys": [(_instant(key.occurred_at), str(key.event_id)) for key in keys]}
    where = " AND ".join([where, *conditions])
    return Statement(
        f"SELECT {_names(columns)} FROM {_EVENTS} WHERE {where} {_order(search)}", parameters
    )


def keys_of_event(org: str, event_id: UUID, window: Window) -> Statement:
    """The key of an event ID in a window; of several, the one that was received first.

    Sending an ID again with another time creates another key, which must not replace the first.
    """
    where, parameters = _kept(org)
    condition, more = _within(window)
    parameters |= more | {"event_id": str(event_id)}
    return Statement(
        f"SELECT occurred_at, event_id FROM {_COPIES}"
        f" WHERE {where} AND {condition} AND event_id = {{event_id:UUID}}"
        " ORDER BY received_at LIMIT 1",
        parameters,
    )


def export(org: str, search: Search, file: Format) -> Statement:
    """All events of the search, in a file format."""
    where, parameters = _filtered(org, search, Window(search.since, search.until), None)
    select = files(__package__).joinpath(file.select).read_text("utf-8")
    return Statement(
        f"{select} WHERE {where} {_order(search)} FORMAT {file.clickhouse}", parameters
    )


def summary(org: str, search: Search, edges: Sequence[datetime], most: int) -> Statement:
    """Counts of a search in one read: by time and level, by event, and by actor.

    ``edges`` are the starts of the time buckets. ``part`` says which count a row belongs to; each
    part is limited to its ``most`` largest rows.
    """
    where, parameters = _filtered(org, search, Window(search.since, search.until), None)
    return Statement(
        "SELECT multiIf(grouping(actor_id) = 0, 'actor', grouping(event) = 0, 'event', 'time') AS"
        " part, roundDown(toUnixTimestamp(occurred_at), {edges:Array(UInt32)}) AS at, level,"
        " event, actor_type, actor_id, actor_email, count() AS events"
        f" FROM {_EVENTS} WHERE {where}"
        " GROUP BY GROUPING SETS ((at, level), (event), (actor_type, actor_id, actor_email))"
        " ORDER BY part, events DESC, at, level, event, actor_type, actor_id, actor_email"
        " LIMIT {most:UInt32} BY part",
        parameters | {"edges": [int(edge.timestamp()) for edge in edges], "most": most},
    )


def people(org: str, prefix: str, most: int) -> Statement:
    """People who acted or were acted upon, by prefix of email, ID or a word of the name."""
    where, parameters = _scope(org)
    return Statement(
        "SELECT type, id, email, name, last_seen, occurred_at, event_id"
        f" FROM audit.people FINAL WHERE {where}"
        " AND (startsWith(lowerUTF8(email), {prefix:String})"
        " OR startsWith(lowerUTF8(id), {prefix:String})"
        " OR arrayExists(word -> startsWith(word, {prefix:String}),"
        " splitByChar(' ', lowerUTF8(name))) OR startsWith(lowerUTF8(name), {prefix:String}))"
        " ORDER BY last_seen DESC, email, id, type LIMIT {most:UInt32}",
        parameters | {"prefix": prefix.lower(), "most": most},
    )


def set_aside(org: str, since: datetime) -> Statement:
    """How many of the organization's records could not be stored and may belong to the range.

    The time of such a record may be unreadable. But it was received no earlier than the clock skew
    before it occurred, and possibly much later (from a spool).
    """
    where, parameters = _set_aside(org, since)
    return Statement(f"SELECT count() FROM audit.dead_letters FINAL WHERE {where}", parameters)


def set_aside_reasons(org: str, since: datetime) -> Statement:
    """The same records by reason: how many, received first and last."""
    where, parameters = _set_aside(org, since)
    return Statement(
        "SELECT reason, count() AS records, min(received_at), max(received_at)"
        f" FROM audit.dead_letters FINAL WHERE {where}"
        " GROUP BY reason ORDER BY records DESC, reason",
        parameters,
    )


def set_aside_records(org: str, since: datetime, most: int) -> Statement:
    """The newest of these records: reason, time of receipt and position in Kafka."""
    where, parameters = _set_aside(org, since)
    return Statement(
        "SELECT reason, received_at, kafka_topic, kafka_partition, kafka_offset"
        f" FROM audit.dead_letters FINAL WHERE {where}"
        " ORDER BY received_at DESC, kafka_partition DESC, kafka_offset DESC"
        f" LIMIT {most:d}",
        parameters,
    )


def _set_aside(org: str, since: datetime) -> tuple[str, dict[str, Any]]:
    where, parameters = _scope(org)
    parameters |= {"since": _instant(since - CLOCK_SKEW)}
    return f"{where} AND received_at >= {{since:DateTime64(3, 'UTC')}}", parameters


def settled_through() -> Statement:
    """The low watermark over all partitions; null until every partition has reported."""
    return Statement(
        "SELECT if(count() = max(partitions) AND count() > 0, min(through), NULL) FROM"
        " (SELECT max(settled_through) AS through, max(partitions) AS partitions"
        " FROM audit.ingest_progress GROUP BY kafka_topic, kafka_partition)",
        {},
    )


def _names(columns: Sequence[str]) -> str:
    return ", ".join(f"`{name}`" for name in columns)


def _scope(org: str) -> tuple[str, dict[str, Any]]:
    return "org_id = {org:String}", {"org": org}


def _kept(org: str) -> tuple[str, dict[str, Any]]:
    """The organization's events that are not past the retention, which ends to the millisecond."""
    scope, parameters = _scope(org)
    return (
        f"{scope} AND occurred_at >= now64(3, 'UTC') - INTERVAL {RETENTION_DAYS} DAY",
        parameters,
    )


def _filtered(
    org: str,
    search: Search,
    window: Window,
    after: Place | None,
    given: tuple[list[str], dict[str, Any]] | None = None,
) -> tuple[str, dict[str, Any]]:
    scope, parameters = _kept(org)
    within, of_window = _within(window)
    conditions, of_filters = given or _conditions(search)
    clauses = [scope, within, *conditions]
    parameters |= of_window | of_filters
    if after is not None:
        # Not a tuple comparison, which reads from the window's start (docs/decisions.md).
        sign = "<" if search.order == "newest" else ">"
        clauses.append(
            f"occurred_at {sign}= {{after:DateTime64(3, 'UTC')}} AND"
            f" (occurred_at {sign} {{after:DateTime64(3, 'UTC')}} OR"
            f" event_id {sign} {{after_id:UUID}})"
        )
        parameters |= {"after": _instant(after.occurred_at), "after_id": str(after.event_id)}
    return " AND ".join(clauses), parameters


def _within(window: Window) -> tuple[str, dict[str, Any]]:
    return (
        "occurred_at >= {since:DateTime64(3, 'UTC')}"
        " AND occurred_at < {until:DateTime64(3, 'UTC')}",
        {"since": _instant(window.since), "until": _instant(window.until)},
    )


def _conditions(search: Search) -> tuple[list[str], dict[str, Any]]:
    conditions: list[str] = []
    parameters: dict[str, Any] = {}
    for filter_, values in search.values:
        condition, more = _condition(filter_, values)
        conditions.append(condition)
        parameters |= more
    return conditions, parameters


def _condition(filter_: Filter, values: tuple[str, ...]) -> tuple[str, dict[str, Any]]:
    if not filter_.takes_array:
        names = _parameters_of(filter_, values)
        clauses = []
        for name, value in names.items():
            sql = filter_.range_sql if _is_range(filter_, value) else filter_.sql
            clauses.append(sql.replace(f"{{{filter_.name}:", f"{{{name}:"))
        return clauses[0] if len(clauses) == 1 else "(" + " OR ".join(clauses) + ")", dict(names)
    begins = {v: v[:-1] for v in values if _is_prefix(filter_, v)}
    exact, prefixes = [v for v in values if v not in begins], list(begins.values())
    clauses = []
    parameters: dict[str, Any] = {}
    if exact:
        clauses.append(filter_.sql)
        parameters[filter_.name] = exact
    if prefixes:
        clauses.append(filter_.prefix_sql)
        parameters[f"{filter_.name}_prefixes"] = prefixes
    either = "(" + " OR ".join(clauses) + ")"
    return (f"(NOT {either})" if filter_.negated else either), parameters


def _parameters_of(filter_: Filter, values: tuple[str, ...]) -> dict[str, str]:
    """The values of a filter that takes them one by one, by the names of their parameters."""
    return {f"{filter_.name}_{i}" if i else filter_.name: value for i, value in enumerate(values)}


def _is_range(filter_: Filter, value: str) -> bool:
    return bool(filter_.range_sql) and "/" in value


def _is_prefix(filter_: Filter, value: str) -> bool:
    return bool(filter_.prefix_sql) and value.endswith(".*")


def _by_tokens(search: Search, *, alone: bool = False) -> dict[str, list[str]]:
    """The filters that the index over tokens answers, each with the tokens of its values.

    Filters by a single column have an index of their own. But such indexes cannot tell a granule
    that holds each of several values somewhere from one with a row that holds all of them; the
    index over tokens can. Filters with very many values are left out, because every combination of
    values is a condition. A filter by one column is answered even ``alone`` where all parts have
    the index: it is faster, but the newest parts lack it.
    """
    groups = {f.name: tokens for f, values in search.values if (tokens := _tokens(f, values))}
    names = sorted(groups, key=lambda name: len(groups[name]))
    while math.prod(len(groups[name]) for name in names) > _MOST_COMBINATIONS:
        names.pop()
    if len(names) < 2:
        fitting = [f for f, _ in search.values if f.name in groups and (alone or len(f.tags) > 1)]
        names = [f.name for f in sorted(fitting, key=lambda f: -len(f.tags))[:1]]
    return {name: groups[name] for name in names}


def _first_conditions(
    search: Search, groups: Mapping[str, list[str]]
) -> tuple[list[str], dict[str, Any]]:
    """Conditions for the first step: true for each row that the filters match, and few others.

    ``groups`` are the filters to ask by tokens (``_by_tokens``).
    """
    conditions: list[str] = []
    parameters: dict[str, Any] = {}
    if len(groups) > 1:
        every = (f"hasAll({TOKENS}, [{', '.join(each)}])" for each in product(*groups.values()))
        conditions.append(f"({' OR '.join(every)})")
    else:
        conditions += [f"hasAny({TOKENS}, [{', '.join(tokens)}])" for tokens in groups.values()]
    for filter_, values in search.values:
        condition, more = _condition(filter_, values)
        parameters |= more
        if filter_.name not in groups:
            conditions.append(condition)
    return conditions, parameters


def _tokens(filter_: Filter, values: tuple[str, ...]) -> list[str]:
    """The tokens of a filter's values, one of which a matching row has; none if it has no tags."""
    if any(_is_range(filter_, value) or _is_prefix(filter_, value) for value in values):
        return []
    if filter_.takes_array:
        spelled = [f"{{{filter_.name}:Array(String)}}[{i + 1}]" for i in range(len(values))]
    else:
        spelled = [f"{{{name}:String}}" for name in _parameters_of(filter_, values)]
    if filter_.control == "person":
        # Emails are in lower case. A value that is so already needs one token, not two.
        spelled += [
            f"lowerUTF8({name})"
            for name, value in zip(spelled, values, strict=True)
            if not value.isascii() or value != value.lower()
        ]
    return [f"concat('{tag}=', {value})" for tag in filter_.tags for value in spelled]


def _order(search: Search) -> str:
    direction = "DESC" if search.order == "newest" else "ASC"
    return f"ORDER BY occurred_at {direction}, event_id {direction}"


def _instant(moment: datetime) -> str:
    # ClickHouse has milliseconds. Round a bound up to the next one, so that < and >= stay correct.
    if moment.microsecond % 1000:
        moment += timedelta(microseconds=1000 - moment.microsecond % 1000)
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
