"""People of an organization, to complete the user filter."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

import msgspec

from orgtrail_query_service.problems import bad_parameter
from orgtrail_query_service.reads import statements
from orgtrail_query_service.reads.event import Actor, Event, Target, event_from_row, utc
from orgtrail_query_service.reads.pages import Log, read_page
from orgtrail_query_service.reads.search import Place, Search, parse_search
from orgtrail_schemas.limits import RETENTION
from orgtrail_schemas.repair import BLANKS

MOST = 20
MAX_PREFIX = 128
_MOST_LOOKUPS = 5


class Person(msgspec.Struct, frozen=True):
    """One person or account. ``last_seen`` is in UTC, to the day."""

    type: str
    id: str
    email: str
    name: str
    last_seen: datetime


async def read_people(
    log: Log, parameters: Iterable[tuple[str, str]], now: datetime
) -> list[Person]:
    """At most ``MOST`` people whose email, ID or name starts with ``prefix``, last seen first.

    Only people of events that readers see are among them.

    Raises:
        Problem: a parameter is unknown or cannot be used.
    """
    prefixes = []
    for name, value in parameters:
        if name != "prefix":
            raise bad_parameter(name[:64], "is unknown; use prefix")
        if len(value) > MAX_PREFIX or "\x00" in value:
            raise bad_parameter(name, f"must be at most {MAX_PREFIX} characters, without NUL")
        prefixes.append(value.lstrip(BLANKS))
    if len(prefixes) > 1:
        raise bad_parameter("prefix", "may be given once")
    prefix = prefixes[0] if prefixes else ""
    # Twice as many, because some may not be shown.
    rows = await log.rows(statements.people(log.org, prefix, 2 * MOST))
    candidates = [
        (Person(kind, id_, email, name, utc(seen)), Place(utc(at), event_id))
        for kind, id_, email, name, seen, at, event_id in rows
    ]
    return await _of_surviving_events(log, candidates, now)


async def _of_surviving_events(
    log: Log, candidates: Sequence[tuple[Person, Place]], now: datetime
) -> list[Person]:
    """Those who occur in an event that readers see.

    ``audit.people`` also holds whoever occurs only in copies that lost to the first one. Nearly
    everybody is in the event that they were seen in last; for a few others the newest events with
    their email or ID are read. Beyond ``_MOST_LOOKUPS`` they are left out: whoever sends copies
    with many names must not make a completion expensive.
    """
    places = {place for _, place in candidates if place.event_id.int}
    events: dict[Place, Event] = {}
    if places:
        search = Search(since=now - RETENTION, until=now)
        rows = await log.rows(statements.events_of(log.org, search, sorted(places)))
        events = {event.place: event for event in map(event_from_row, rows)}
    shown: list[Person] = []
    lookups = 0
    for person, place in candidates:
        if len(shown) == MOST:
            break
        event = events.get(place)
        if not place.event_id.int or (event is not None and _named_in(event, person)):
            shown.append(person)
        elif lookups < _MOST_LOOKUPS:
            lookups += 1
            found = await _newest(log, person, now)
            shown += [found] if found is not None else []
    return shown


async def _newest(log: Log, person: Person, now: datetime) -> Person | None:
    """The person as the newest event has them whose account or address it names."""
    search = parse_search([("user", person.email or person.id)], now)
    page = await read_page(log, search, None)
    for event in page.events:
        for other in _people(event):
            if (other.type, other.id, other.email) == (person.type, person.id, person.email):
                return msgspec.structs.replace(person, name=other.name)
    return None


def _named_in(event: Event, person: Person) -> bool:
    named = (person.type, person.id, person.email, person.name)
    return any((p.type, p.id, p.email, p.name) == named for p in _people(event))


def _people(event: Event) -> list[Actor | Target]:
    impersonator = [event.impersonator] if event.impersonator else []
    return [event.actor, *impersonator, *event.targets]
