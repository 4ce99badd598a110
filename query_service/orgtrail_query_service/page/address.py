"""Reads the page's address, and makes the addresses of its links."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from urllib.parse import quote, urlencode

from orgtrail_query_service.api.openapi import OCCURRED_AT
from orgtrail_query_service.page.days import EVERYTHING, NAMES, Days, read_days
from orgtrail_query_service.problems import bad_parameter, bad_request
from orgtrail_query_service.reads.event import Event
from orgtrail_query_service.reads.filters import Filter
from orgtrail_query_service.reads.search import MAX_LENGTH, Search, parse_search, rfc3339
from orgtrail_schemas.catalogue import catalogue

Parameters = list[tuple[str, str]]

_MOST = 16_384
"""A longer query is refused, as it is written in a link: each bar and each filter repeats it."""

_MOST_IN_ROWS = 2_048
"""A longer query is not repeated in each row: an event then opens without it."""

_DAYS = ("last", "from", "to")


class Chip(NamedTuple):
    """An active filter, and the address of the page without it."""

    title: str
    value: str
    without: str


@dataclass(frozen=True)
class View:
    """One view of an organization's log, described by an address.

    ``given`` are all parameters except the cursor; ``prefix`` is what paths begin with.
    """

    prefix: str
    org: str
    days: Days
    search: Search
    given: Parameters

    @property
    def path(self) -> str:
        """The path of the log."""
        return log_path(self.prefix, self.org)

    @property
    def api(self) -> str:
        """The API's path for the same events."""
        return f"{self.prefix}/v1/orgs/{quote(self.org, safe='')}/events"

    def link(self, *more: tuple[str, str], without: Iterable[str] = ()) -> str:
        """The address of this view with more parameters, and without those of some names."""
        dropped = set(without)
        return self._address([*((k, v) for k, v in self.given if k not in dropped), *more])

    def dated(self, *days: tuple[str, str]) -> str:
        """The address of this view on other days."""
        return self.link(*days, without=_DAYS)

    def event(self, event: Event) -> str:
        """The address of one event, which leads back to this view."""
        if len(urlencode(self.given)) > _MOST_IN_ROWS:
            return self.own(event)
        return f"{self.path}/{event.event_id}{self._query([*_when(event), *self.given])}"

    def own(self, event: Event, *, api: bool = False) -> str:
        """The address of one event without this view, on the page or in the API."""
        return f"{self.api if api else self.path}/{event.event_id}{self._query(_when(event))}"

    def counts(self) -> str:
        """The address of the counts over time."""
        return f"{self.path}/summary{self._query(self.given)}"

    def set_aside(self) -> str:
        """The address of the records that could not be stored."""
        return f"{self.path}/set-aside{self._query(self.given)}"

    def permanent(self) -> str:
        """An address that shows the same days and filters tomorrow and in another time zone."""
        kept = [(k, v) for k, v in self.given if k not in NAMES]
        return self._address([*kept, *self.days.parameters()])

    def everything(self, name: str, value: str) -> str | None:
        """The address of all events with one filter; ``None`` if the value cannot be a filter."""
        if not value or len(value) > MAX_LENGTH or "\x00" in value:
            return None
        parameters = [(name, value), ("last", EVERYTHING), *self._zone()]
        return self._address(parameters) if len(urlencode(parameters)) <= _MOST else None

    def unfiltered(self) -> str:
        """The address of the same days without filters."""
        kept = {*NAMES, "order", "limit"}
        return self._address([(k, v) for k, v in self.given if k in kept])

    def export(self, suffix: str, *, bom: bool = False) -> str:
        """The address of an export of these events; ``bom`` begins it with a byte order mark."""
        mark = [("bom", "true")] if bom else []
        return f"{self.api}/export.{suffix}?{urlencode([*self.search.parameters(), *mark])}"

    def query(self, *, without: Iterable[str] = ()) -> str:
        """The query string of the search for the API, without the parameters of some names."""
        dropped = set(without)
        return urlencode([(k, v) for k, v in self.search.parameters() if k not in dropped])

    def chips(self) -> list[Chip]:
        """The active filters, one chip per value."""
        return [
            Chip(filter_.title, _readable(filter_.name, value), self._less(filter_, value))
            for filter_, values in self.search.values
            for value in values
        ]

    def _less(self, filter_: Filter, value: str) -> str:
        # The address has what was typed, the search what is stored.
        kept = [(k, v) for k, v in self.given if k != filter_.name or filter_.normalize(v) != value]
        return self._address(kept)

    def _zone(self) -> Parameters:
        return [pair for pair in self.given if pair[0] == "tz"]

    def _address(self, parameters: Parameters) -> str:
        return self.path + self._query(parameters)

    @staticmethod
    def _query(parameters: Parameters) -> str:
        return "?" + urlencode(parameters) if parameters else ""


def _when(event: Event) -> Parameters:
    return [(OCCURRED_AT.name, rfc3339(event.occurred_at))]


def log_path(prefix: str, org: str) -> str:
    """The path of an organization's log."""
    return f"{prefix}/orgs/{quote(org, safe='')}/audit-logs"


def read_view(prefix: str, org: str, parameters: Iterable[tuple[str, str]], now: datetime) -> View:
    """Parse an address. Empty values count as not given, because forms send them.

    Raises:
        Problem: a parameter is unknown or cannot be used.
    """
    given = [(name, value) for name, value in parameters if value]
    if len(urlencode(given)) > _MOST:
        raise bad_request()
    named = [(name, value) for name, value in given if name in NAMES]
    for name in NAMES:
        if len([1 for other, _ in named if other == name]) > 1:
            raise bad_parameter(name, "may be given once")
    days = read_days(dict(named), now)
    rest = [(name, value) for name, value in given if name not in NAMES]
    rest.append(("since", rfc3339(days.since)))
    if days.until is not None:
        rest.append(("until", rfc3339(days.until)))
    kept = [(name, value) for name, value in given if name != "cursor"]
    return View(prefix, org, days, parse_search(rest, now), kept)


def _readable(name: str, value: str) -> str:
    return catalogue().name_of(value) if name in ("event", "exclude_event") else value
