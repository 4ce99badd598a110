"""What the page's address says, and the addresses that lead on from it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from urllib.parse import quote, urlencode

from orgtrail_query_service.page.days import EVERYTHING, NAMES, Days, read_days
from orgtrail_query_service.problems import bad_parameter
from orgtrail_query_service.reads.search import MAX_LENGTH, Search, parse_search, rfc3339
from orgtrail_schemas.catalogue import catalogue

Parameters = list[tuple[str, str]]

_DAYS = ("last", "from", "to")


class Chip(NamedTuple):
    """A filter that is set, and the page without it."""

    title: str
    value: str
    without: str


@dataclass(frozen=True)
class View:
    """One page of an organization's log, as its address asks for it.

    ``given`` are the parameters but the cursor; every filter and choice is among them.
    """

    org: str
    days: Days
    search: Search
    given: Parameters

    @property
    def path(self) -> str:
        """The log's own path."""
        return log_path(self.org)

    @property
    def api(self) -> str:
        """The API's path of the same events."""
        return f"/v1/orgs/{quote(self.org, safe='')}/events"

    def link(self, *more: tuple[str, str], without: Iterable[str] = ()) -> str:
        """This view with more parameters, and without those of some names."""
        dropped = set(without)
        return self._address([*((k, v) for k, v in self.given if k not in dropped), *more])

    def dated(self, *days: tuple[str, str]) -> str:
        """This view on other days."""
        return self.link(*days, without=_DAYS)

    def event(self, event_id: object) -> str:
        """One event of it."""
        return f"{self.path}/{event_id}{self._query(self.given)}"

    def counts(self) -> str:
        """Its counts over time."""
        return f"{self.path}/summary{self._query(self.given)}"

    def permanent(self) -> str:
        """The same days and filters tomorrow, and for a colleague in another zone."""
        kept = [(k, v) for k, v in self.given if k not in NAMES]
        return self._address([*kept, *self.days.parameters()])

    def everything(self, name: str, value: str) -> str | None:
        """All events with one filter, in the whole retention; ``None`` where no filter takes it."""
        if not value or len(value) > MAX_LENGTH or "\x00" in value:
            return None
        return self._address([(name, value), ("last", EVERYTHING), *self._zone()])

    def unfiltered(self) -> str:
        """The same days without any filter."""
        kept = {*NAMES, "order", "limit"}
        return self._address([(k, v) for k, v in self.given if k in kept])

    def export(self, suffix: str) -> str:
        """The file of what is filtered."""
        return f"{self.api}/export.{suffix}?{urlencode(self.search.parameters())}"

    def query(self, *, without: Iterable[str] = ()) -> str:
        """The search as the API takes it, without the parameters of some names."""
        dropped = set(without)
        return urlencode([(k, v) for k, v in self.search.parameters() if k not in dropped])

    def chips(self) -> list[Chip]:
        """The filters that are set, each value apart."""
        return [
            Chip(filter_.title, _readable(filter_.name, value), self._less(filter_.name, value))
            for filter_, values in self.search.values
            for value in values
        ]

    def _less(self, name: str, value: str) -> str:
        return self._address([pair for pair in self.given if pair != (name, value)])

    def _zone(self) -> Parameters:
        return [pair for pair in self.given if pair[0] == "tz"]

    def _address(self, parameters: Parameters) -> str:
        return self.path + self._query(parameters)

    @staticmethod
    def _query(parameters: Parameters) -> str:
        return "?" + urlencode(parameters) if parameters else ""


def log_path(org: str) -> str:
    """Where an organization's log is."""
    return f"/orgs/{quote(org, safe='')}/audit-logs"


def read_view(org: str, parameters: Iterable[tuple[str, str]], now: datetime) -> View:
    """The view that an address asks for; empty values count as not given, as forms send them.

    Raises:
        Problem: a parameter is unknown or cannot be used.
    """
    given = [(name, value) for name, value in parameters if value]
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
    return View(org, days, parse_search(rest, now), kept)


def _readable(name: str, value: str) -> str:
    return catalogue().name_of(value) if name in ("event", "exclude_event") else value
