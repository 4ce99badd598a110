"""The API's routes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Annotated, Any
from urllib.parse import urlencode
from uuid import UUID

import msgspec
from litestar import Controller, Request, Response, get
from litestar.params import Parameter
from litestar.response import Stream

from orgtrail_query_service import statements
from orgtrail_query_service.events import Event
from orgtrail_query_service.problems import not_found
from orgtrail_query_service.read import read_event, read_page, read_settled
from orgtrail_query_service.search import Search, parse_search
from orgtrail_query_service.service import Service
from orgtrail_schemas.catalogue import Level, catalogue

AnyRequest = Request[Any, Any, Any]
Org = Annotated[str, Parameter(description="The organization.", max_length=128)]


class EventList(msgspec.Struct, frozen=True):
    """One page of events.

    ``since`` and ``until`` are the range that was read (half-open, UTC); ``clamped`` says that an
    earlier ``since`` was moved to the start of the retention. Everything received before
    ``settled_through`` is here or counted in ``set_aside``.
    """

    events: list[Event]
    next_cursor: str | None
    since: datetime
    until: datetime
    clamped: bool
    settled_through: datetime | None
    set_aside: int


class EventTypeItem(msgspec.Struct, frozen=True):
    """One type of the catalogue. ``own`` types are recorded by Orgtrail itself."""

    event: str
    name: str
    level: Level
    description: str
    own: bool


class Api(Controller):
    """``/v1``: every route but the catalogue needs an administrator of the organisation."""

    path = "/v1"

    @get("/event-types")
    async def event_types(self, request: AnyRequest, service: Service) -> list[EventTypeItem]:
        """The catalogue of event types."""
        service.administrator(request)
        return [
            EventTypeItem(e.key, e.name, e.level, e.description, e.own)
            for e in catalogue().events.values()
        ]

    @get("/orgs/{org:str}/events")
    async def events(self, request: AnyRequest, service: Service, org: Org) -> Response[EventList]:
        """A page of an organization's events."""
        service.administrator(request).require(org)
        asked = parse_search(request.query_params.multi_items(), service.now())
        search, after = service.cursors.read(org, asked)
        settled = await read_settled(service.reader, org, search)
        page = await read_page(service.reader, org, search, after)
        cursor = None if page.last is None else service.cursors.make(org, search, page.last)
        answer = EventList(
            events=page.events,
            next_cursor=cursor,
            since=search.since,
            until=search.until,
            clamped=search.clamped,
            settled_through=settled.settled_through,
            set_aside=settled.set_aside,
        )
        return Response(answer, headers=_next_link(request, cursor))

    @get("/orgs/{org:str}/events/export.csv")
    async def export(self, request: AnyRequest, service: Service, org: Org) -> Stream:
        """Every event of a search as CSV, streamed."""
        service.administrator(request).require(org)
        search = parse_search(request.query_params.multi_items(), service.now(), paged=False)
        chunks = service.exporter.stream(statements.export_csv(org, search))
        # The first bytes are awaited here: what fails before them gets an answer of its own.
        first = await anext(chunks)
        return Stream(
            _continued(first, chunks),
            media_type="text/csv; header=present",
            headers={"Content-Disposition": f'attachment; filename="{_file_name(org, search)}"'},
        )

    @get("/orgs/{org:str}/events/{event_id:str}")
    async def event(self, request: AnyRequest, service: Service, org: Org, event_id: str) -> Event:
        """One event, whole."""
        service.administrator(request).require(org)
        return await find_event(service, org, event_id)


async def find_event(service: Service, org: str, event_id: str) -> Event:
    """One event of an organisation that the caller may read.

    Raises:
        Problem: there is none with this id.
    """
    try:
        identity = UUID(event_id)
    except ValueError:
        raise not_found() from None
    event = await read_event(service.reader, org, identity, service.now())
    if event is None:
        raise not_found()
    return event


async def _continued(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for chunk in rest:
        yield chunk


def _next_link(request: AnyRequest, cursor: str | None) -> dict[str, str]:
    if cursor is None:
        return {}
    kept = [(k, v) for k, v in request.query_params.multi_items() if k != "cursor"]
    query = urlencode([*kept, ("cursor", cursor)])
    return {"Link": f'<{request.url.path}?{query}>; rel="next"'}


def _file_name(org: str, search: Search) -> str:
    # What stands in a header is spelled out; anything else in an organisation's id is replaced.
    safe = "".join(c if c.isascii() and (c.isalnum() or c in "._-") else "_" for c in org)
    return f"audit-log-{safe}-{search.since:%Y%m%d}-{search.until:%Y%m%d}.csv"
