"""The page's routes."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from urllib.parse import quote, urlencode

from litestar import Controller, Request, get
from litestar.response import Redirect, Template

from orgtrail_query_service.api import find_event
from orgtrail_query_service.authentication import administrator
from orgtrail_query_service.filters import FILTERS
from orgtrail_query_service.problems import bad_parameter
from orgtrail_query_service.read import read_page, read_settled
from orgtrail_query_service.search import Search, parse_search, rfc3339
from orgtrail_query_service.service import Service
from orgtrail_schemas.catalogue import LEVELS, OUTCOMES, catalogue
from orgtrail_schemas.tables import RETENTION_DAYS

AnyRequest = Request[Any, Any, Any]
Parameters = list[tuple[str, str]]

_OPENING_DAYS = 7


class AuditLogPage(Controller):
    """``/orgs/{org}/audit-logs``: filters, the table, one event."""

    path = "/"
    include_in_schema = False

    @get("/")
    async def index(self, request: AnyRequest) -> Template | Redirect:
        """The organisations that are the caller's to administer; one alone opens at once."""
        mine = sorted(administrator(request).organizations)
        if len(mine) == 1:
            return Redirect(_path(mine[0]), status_code=303)
        return Template("index.html", context={"organizations": [(o, _path(o)) for o in mine]})

    @get("/orgs/{org:str}/audit-logs")
    async def table(self, request: AnyRequest, service: Service, org: str) -> Template:
        """The table of events."""
        service.open(request, org)
        given = list(request.query_params.multi_items())
        days, parameters = _days(given, service.now())
        asked = parse_search(parameters, service.now())
        search, after = service.cursors.read(org, asked)
        settled = await read_settled(service.reader, org, search)
        page = await read_page(service.reader, org, search, after)
        kept = [(k, v) for k, v in given if v and k != "cursor"]
        older = None
        if page.last is not None:
            older = "?" + urlencode(
                [*kept, ("cursor", service.cursors.make(org, search, page.last))]
            )
        return Template(
            "table.html",
            context={
                "org": org,
                "path": _path(org),
                "page": page,
                "search": search,
                "days": days,
                "settled": settled,
                "older": older,
                "first": "?" + urlencode(kept) if after is not None else None,
                "export": _export(org, search),
                "filtered": bool(search.values),
                **_form(search),
            },
        )

    @get("/orgs/{org:str}/audit-logs/{event_id:str}")
    async def event(
        self, request: AnyRequest, service: Service, org: str, event_id: str
    ) -> Template:
        """One event in detail."""
        service.open(request, org)
        event = await find_event(service, org, event_id)
        known = catalogue().events.get(event.event)
        return Template(
            "event.html",
            context={
                "org": org,
                "path": _path(org),
                "event": event,
                "description": known.description if known else None,
                "expires_at": event.occurred_at + timedelta(days=RETENTION_DAYS),
                "everything_by": _user_link(org, event.actor.email or event.actor.id),
            },
        )


def _days(given: Parameters, now: datetime) -> tuple[dict[str, str], Parameters]:
    """The form's days (``from`` and ``to``, both included, UTC) as ``since`` and ``until``."""
    today = now.date()
    chosen = {name: value for name, value in given if name in ("from", "to") and value}
    first = _day(chosen.get("from"), "from") or today - timedelta(days=_OPENING_DAYS - 1)
    last = _day(chosen.get("to"), "to") or today
    if last < first:
        raise bad_parameter("to", "must not be before from")
    rest = [(k, v) for k, v in given if k not in ("from", "to")]
    since = datetime.combine(first, time(), UTC)
    until = datetime.combine(last + timedelta(days=1), time(), UTC)
    days = {"from": first.isoformat(), "to": last.isoformat(), "today": today.isoformat()}
    return days, [*rest, ("since", rfc3339(since)), ("until", rfc3339(until))]


def _day(text: str | None, name: str) -> date | None:
    try:
        return None if text is None else date.fromisoformat(text)
    except ValueError:
        raise bad_parameter(name, "must be a day such as 2026-11-23") from None


def _form(search: Search) -> dict[str, Any]:
    events = catalogue().events.values()
    return {
        "chosen": {filter_.name: "" for filter_ in FILTERS}
        | {filter_.name: values[0] for filter_, values in search.values},
        "outcomes": OUTCOMES,
        "levels": LEVELS,
        "groups": [
            ("User level", [e for e in events if e.level == "user"]),
            ("Organization level", [e for e in events if e.level == "organization" and not e.own]),
            ("The audit log itself", [e for e in events if e.own]),
        ],
    }


def _export(org: str, search: Search) -> str:
    query = urlencode(search.parameters())
    return f"/v1/orgs/{quote(org, safe='')}/events/export.csv?{query}"


def _path(org: str) -> str:
    return f"/orgs/{quote(org, safe='')}/audit-logs"


def _user_link(org: str, user: str) -> str | None:
    return f"{_path(org)}?{urlencode({'user': user})}" if user else None
