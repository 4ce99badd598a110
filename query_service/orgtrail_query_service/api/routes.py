"""The API's routes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated
from urllib.parse import quote, urlencode
from uuid import UUID

import msgspec
from litestar import Controller, Response, get
from litestar.params import Parameter

from orgtrail_query_service.api.answers import answer
from orgtrail_query_service.api.openapi import (
    OCCURRED_AT,
    PROBLEMS,
    EventOperation,
    ListOperation,
    PeopleOperation,
    SetAsideOperation,
    SummaryOperation,
)
from orgtrail_query_service.auth.authorize import authorize, caller
from orgtrail_query_service.auth.organization_log import OrganizationLog
from orgtrail_query_service.parts import AnyRequest, Parts
from orgtrail_query_service.problems import bad_parameter, not_found
from orgtrail_query_service.reads.event import Event
from orgtrail_query_service.reads.feed import ORDER, Position, parse_feed, read_feed
from orgtrail_query_service.reads.pages import (
    read_event,
    read_page,
    read_settled,
    read_with_settled,
)
from orgtrail_query_service.reads.people import Person, read_people
from orgtrail_query_service.reads.search import parse_instant, parse_search, parse_since
from orgtrail_query_service.reads.set_aside import SetAside, read_set_aside
from orgtrail_query_service.reads.summary import Summary, read_summary
from orgtrail_schemas.catalogue import Level, catalogue

_LONGEST_LINK = 4_096

_FEED_RESERVE_S = 12
"""A page of the feed ends when less time is left: a position that moved is better than none."""

Org = Annotated[str, Parameter(description="The organization.", max_length=128)]


class EventList(msgspec.Struct, frozen=True):
    """One page of events.

    ``since`` and ``until`` are the range that was read (half-open, UTC); ``clamped`` says that an
    earlier ``since`` was moved to the start of the retention. Everything received before
    ``settled_through`` is in the list or on its later pages, or counted in ``set_aside``: the
    number of records that could not be stored, received since the range began (or up to 5 minutes
    before).
    """

    events: list[Event]
    next_cursor: str | None
    since: datetime
    until: datetime
    clamped: bool
    settled_through: datetime | None
    set_aside: int


class EventTypeItem(msgspec.Struct, frozen=True):
    """One event type. Orgtrail itself records the ``own`` types."""

    event: str
    name: str
    level: Level
    description: str
    own: bool


class Api(Controller):
    """``/v1``: the catalogue, and the routes of one organization, for its administrators."""

    path = "/v1"

    @get("/event-types", responses=PROBLEMS)
    async def event_types(self, request: AnyRequest) -> list[EventTypeItem]:
        """The catalogue of event types."""
        caller(request)
        return [
            EventTypeItem(e.key, e.name, e.level, e.description, e.own)
            for e in catalogue().events.values()
        ]

    @get("/orgs/{org:str}/events", operation_class=ListOperation, responses=PROBLEMS)
    async def events(self, request: AnyRequest, parts: Parts, org: Org) -> Response[EventList]:
        """A page of an organization's events.

        With order=received it is a feed: events in the order of their receipt, each once, also
        those that arrive late. Its next_cursor never ends; keep it, and ask again for what came
        since.
        """
        log = authorize(request, org)
        if request.query_params.getall("order", []) == [ORDER]:
            return await self._feed(request, parts, log)
        asked = parse_search(request.query_params.multi_items(), parts.now())
        search, after = parts.cursors.read(org, asked)
        settled, page = await read_with_settled(log, search, lambda: read_page(log, search, after))
        cursor = None if page.last is None else parts.cursors.make(org, search, page.last)
        listed = EventList(
            events=page.events,
            next_cursor=cursor,
            since=search.since,
            until=search.until,
            clamped=search.clamped,
            settled_through=settled.settled_through,
            set_aside=settled.set_aside,
        )
        return answer(listed, _next_link(request, parts.settings.path_prefix, cursor))

    async def _feed(
        self, request: AnyRequest, parts: Parts, log: OrganizationLog
    ) -> Response[EventList]:
        search, begins = parse_feed(request.query_params.multi_items(), parts.now())
        kept = parts.cursors.read_feed(log.org, search)
        after = begins if kept is None else Position(*kept)
        settled = await read_settled(log, search)
        events, position = await read_feed(
            log, search, after, settled.settled_through, lambda: log.is_late(_FEED_RESERVE_S)
        )
        cursor = parts.cursors.make_feed(log.org, search, position)
        listed = EventList(
            events=events,
            next_cursor=cursor,
            since=search.since,
            until=search.until,
            clamped=False,
            settled_through=settled.settled_through,
            set_aside=settled.set_aside,
        )
        return answer(listed, _next_link(request, parts.settings.path_prefix, cursor))

    @get("/orgs/{org:str}/summary", operation_class=SummaryOperation, responses=PROBLEMS)
    async def summary(self, request: AnyRequest, parts: Parts, org: Org) -> Response[Summary]:
        """Counts of a search: over time by level, by event, and the most active actors."""
        log = authorize(request, org)
        search = parse_search(request.query_params.multi_items(), parts.now(), paged=False)
        settled = await read_settled(log, search)
        return answer(await read_summary(log, search, settled))

    @get("/orgs/{org:str}/set-aside", operation_class=SetAsideOperation, responses=PROBLEMS)
    async def set_aside(self, request: AnyRequest, parts: Parts, org: Org) -> Response[SetAside]:
        """Records that could not be stored: the reasons, when, and where an operator finds them."""
        log = authorize(request, org)
        since = parse_since(request.query_params.multi_items(), parts.now())
        return answer(await read_set_aside(log, since))

    @get("/orgs/{org:str}/people", operation_class=PeopleOperation, responses=PROBLEMS)
    async def people(self, request: AnyRequest, parts: Parts, org: Org) -> Response[list[Person]]:
        """People who acted or were acted upon, for the user filter; last seen first."""
        log = authorize(request, org)
        return answer(await read_people(log, request.query_params.multi_items(), parts.now()))

    @get(
        "/orgs/{org:str}/events/{event_id:str}", operation_class=EventOperation, responses=PROBLEMS
    )
    async def event(
        self, request: AnyRequest, parts: Parts, org: Org, event_id: str
    ) -> Response[Event]:
        """One event with all its fields."""
        log = authorize(request, org)
        at = request.query_params.getall(OCCURRED_AT.name, [])
        return answer(await find_event(log, event_id, at, parts.now()))


async def find_event(
    log: OrganizationLog, event_id: str, occurred_at: Sequence[str], now: datetime
) -> Event:
    """One event of a log; ``occurred_at`` are the values of that query parameter.

    Raises:
        Problem: there is none with this ID and time, or the time cannot be used.
    """
    if len(occurred_at) > 1:
        raise bad_parameter(OCCURRED_AT.name, "may be given once")
    at = parse_instant(next(iter(occurred_at), "") or None, OCCURRED_AT.name)
    try:
        identity = UUID(event_id)
    except ValueError:
        raise not_found() from None
    event = await read_event(log, identity, now, at)
    if event is None:
        raise not_found()
    return event


def _next_link(request: AnyRequest, prefix: str, cursor: str | None) -> dict[str, str]:
    if cursor is None:
        return {}
    kept = [(k, v) for k, v in request.query_params.multi_items() if k != "cursor"]
    query = urlencode([*kept, ("cursor", cursor)])
    if len(query) > _LONGEST_LINK:
        # Proxies refuse longer headers; the answer has the cursor, too.
        return {}
    return {"Link": f'<{prefix}{quote(request.url.path)}?{query}>; rel="next"'}
