"""Parses query parameters into a checked, frozen search."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal, NamedTuple
from uuid import UUID

from orgtrail_query_service.problems import bad_parameter
from orgtrail_query_service.reads.filters import FILTERS, Filter
from orgtrail_schemas.limits import READ_AHEAD, RETENTION, TEXT_LENGTH

Order = Literal["newest", "oldest"]

MAX_LIMIT = 1000
MAX_LENGTH = TEXT_LENGTH
"""Whatever is stored can be filtered by."""

# RFC 3339, section 5.6, in upper case; lower case is allowed, too. ISO 8601 has many other forms.
_RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", re.ASCII)

_RANGE = ("since", "until")
_PAGING = ("order", "limit", "cursor")


class Place(NamedTuple):
    """The keyset position of an event: where a page begins or ends."""

    occurred_at: datetime
    event_id: UUID


@dataclass(frozen=True)
class Search:
    """A read of one organization's events.

    The range is half-open: ``since`` is in it, ``until`` is not; both are in UTC. ``clamped`` says
    that ``since`` was moved to the start of the retention. ``values`` holds the active
    filters in the order of ``FILTERS``, each with its values.
    """

    since: datetime
    until: datetime
    clamped: bool = False
    values: tuple[tuple[Filter, tuple[str, ...]], ...] = ()
    order: Order = "newest"
    limit: int = 50
    cursor: str | None = None

    def parameters(self) -> list[tuple[str, str]]:
        """The filters and the range as query parameters."""
        values = [(filter_.name, value) for filter_, found in self.values for value in found]
        return [*values, ("since", rfc3339(self.since)), ("until", rfc3339(self.until))]


def parse_search(
    parameters: Iterable[tuple[str, str]], now: datetime, *, paged: bool = True
) -> Search:
    """Parse the query parameters of a request.

    An empty value counts as not given, because HTML forms send those. ``paged`` also allows the
    parameters of a list: order, limit and cursor.

    Raises:
        Problem: a parameter is unknown, given twice, or has a value that cannot be used.
    """
    allowed = {f.name for f in FILTERS} | set(_RANGE) | (set(_PAGING) if paged else set())
    given: dict[str, list[str]] = {}
    for name, value in parameters:
        if name not in allowed:
            raise bad_parameter(name[:64], f"is unknown; use {', '.join(sorted(allowed))}")
        if len(value) > MAX_LENGTH or "\x00" in value:
            raise bad_parameter(name, f"must be at most {MAX_LENGTH} characters, without NUL")
        if value:
            given.setdefault(name, []).append(value)
    since, until, clamped = _range(given, now)
    return Search(
        since=since,
        until=until,
        clamped=clamped,
        values=tuple((f, _values(f, given[f.name])) for f in FILTERS if f.name in given),
        order=_order(_single(given, "order")),
        limit=_limit(_single(given, "limit")),
        cursor=_single(given, "cursor"),
    )


def parse_since(parameters: Iterable[tuple[str, str]], now: datetime) -> datetime:
    """The only parameter of a request that has no other; the start of the retention without it.

    Raises:
        Problem: another parameter is given, or the value cannot be used.
    """
    given = list(parameters)
    for name, _ in given:
        if name != "since":
            raise bad_parameter(name[:64], "is unknown; use since")
    return parse_search(given, now, paged=False).since


def rfc3339(moment: datetime) -> str:
    """A time in UTC, to the millisecond."""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _values(filter_: Filter, values: list[str]) -> tuple[str, ...]:
    if not filter_.repeatable and len(values) > 1:
        raise bad_parameter(filter_.name, "may be given once")
    if len(values) > filter_.most:
        raise bad_parameter(filter_.name, f"may be given {filter_.most} times at most")
    for value in values:
        if filter_.choices and value not in filter_.choices:
            raise bad_parameter(filter_.name, f"must be one of {', '.join(filter_.choices)}")
    try:
        normalized = [filter_.normalize(value) for value in values]
    except ValueError as error:
        raise bad_parameter(filter_.name, str(error)) from None
    if "" in normalized:
        raise bad_parameter(filter_.name, "must not be blank")
    return tuple(dict.fromkeys(normalized))


def _single(given: dict[str, list[str]], name: str) -> str | None:
    values = given.get(name, [])
    if len(values) > 1:
        raise bad_parameter(name, "may be given once")
    return values[0] if values else None


def _range(given: dict[str, list[str]], now: datetime) -> tuple[datetime, datetime, bool]:
    start = now - RETENTION
    since = parse_instant(_single(given, "since"), "since") or start
    # Nothing is stored that is further ahead: a later bound would only cost time.
    latest = now + READ_AHEAD
    until = min(parse_instant(_single(given, "until"), "until") or latest, latest)
    if since > latest:
        raise bad_parameter("since", "must not be in the future")
    if until <= since:
        raise bad_parameter("until", "must be later than since")
    return max(since, start), max(until, start), since < start


def parse_instant(text: str | None, name: str) -> datetime | None:
    """A time of a query parameter, in UTC; ``None`` if the parameter is not given.

    Raises:
        Problem: it is not RFC 3339 with an offset.
    """
    if text is None:
        return None
    try:
        # An unescaped + in a query string arrives as a space.
        text = text.upper().replace(" ", "+")
        if not _RFC3339.fullmatch(text):
            raise ValueError
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        example = "2026-11-23T09:00:00Z"
        raise bad_parameter(name, f"must be RFC 3339 with an offset, such as {example}") from None


def _order(text: str | None) -> Order:
    if text in (None, "newest"):
        return "newest"
    if text == "oldest":
        return "oldest"
    raise bad_parameter("order", "must be newest or oldest")


def _limit(text: str | None) -> int:
    if text is None:
        return 50
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= MAX_LIMIT:
        raise bad_parameter("limit", f"must be a number from 1 to {MAX_LIMIT}")
    return int(text)
