"""The page's routes."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from litestar import Controller, get
from litestar.response import Redirect, Template

from orgtrail_query_service.api.openapi import OCCURRED_AT
from orgtrail_query_service.api.routes import find_event
from orgtrail_query_service.auth.authorize import authorize, caller
from orgtrail_query_service.auth.organization_log import OrganizationLog
from orgtrail_query_service.page.address import View, log_path, read_view
from orgtrail_query_service.page.advice import advise
from orgtrail_query_service.page.days import PRESETS
from orgtrail_query_service.page.histogram import bars
from orgtrail_query_service.parts import AnyRequest, Parts
from orgtrail_query_service.reads.calendar import bucket_edges
from orgtrail_query_service.reads.event import TABLE_COLUMNS
from orgtrail_query_service.reads.export_formats import FORMATS
from orgtrail_query_service.reads.filters import FILTERS
from orgtrail_query_service.reads.pages import read_page, read_settled, read_with_settled
from orgtrail_query_service.reads.set_aside import read_set_aside
from orgtrail_query_service.reads.summary import read_summary
from orgtrail_schemas.catalogue import LEVELS, catalogue
from orgtrail_schemas.limits import RETENTION_DAYS

LIMITS = (50, 200, 1000)


class AuditLogPage(Controller):
    """``/orgs/{org}/audit-logs``: filters, the table, counts over time, one event."""

    path = "/"
    include_in_schema = False

    @get("/")
    async def index(self, request: AnyRequest, parts: Parts) -> Template | Redirect:
        """The organizations that the caller may read; a single one opens at once."""
        mine = sorted(caller(request).organizations)
        if len(mine) == 1:
            return Redirect(log_path(parts.settings.path_prefix, mine[0]), status_code=303)
        return Template("index.html", context={"organizations": mine})

    @get("/orgs/{org:str}/audit-logs")
    async def table(self, request: AnyRequest, parts: Parts, org: str) -> Template:
        """The table of events."""
        log, view = _open(request, parts, org)
        search, after = parts.cursors.read(org, view.search)
        settled, page = await read_with_settled(
            log, search, lambda: read_page(log, search, after, TABLE_COLUMNS)
        )
        older = None
        if page.last is not None:
            older = view.link(("cursor", parts.cursors.make(org, search, page.last)))
        advice = None
        if not page.events and after is None:
            advice = await advise(log, view, parts.now())
        newest = search.order == "newest"
        return Template(
            "table.html",
            context={
                **_common(view, parts),
                "page": page,
                "search": search,
                "settled": settled,
                "older": older,
                "first": view.link() if after is not None else None,
                "advice": advice,
                "live": view.query(without=("until",))
                if newest and after is None and view.days.until is None
                else None,
                **form_context(view),
            },
        )

    @get("/orgs/{org:str}/audit-logs/summary")
    async def summary(self, request: AnyRequest, parts: Parts, org: str) -> Template:
        """Counts of the same events over time, by event and by actor."""
        log, view = _open(request, parts, org)
        zone = view.days.zone
        settled = await read_settled(log, view.search)
        counts = await read_summary(log, view.search, settled, zone)
        edges = bucket_edges(view.search, zone)
        return Template(
            "summary.html",
            context={
                **_common(view, parts),
                "summary": counts,
                "bars": bars(counts.buckets, edges, view.search.until, zone),
                "levels": LEVELS,
            },
        )

    @get("/orgs/{org:str}/audit-logs/set-aside")
    async def set_aside(self, request: AnyRequest, parts: Parts, org: str) -> Template:
        """The records that could not be stored, and what to do about them."""
        log, view = _open(request, parts, org)
        aside = await read_set_aside(log, view.search.since)
        return Template("set_aside.html", context={**_common(view, parts), "aside": aside})

    @get("/orgs/{org:str}/audit-logs/{event_id:str}")
    async def event(self, request: AnyRequest, parts: Parts, org: str, event_id: str) -> Template:
        """One event in detail."""
        log, view = _open(request, parts, org, beside=OCCURRED_AT.name)
        settled = await read_settled(log, view.search)
        at = request.query_params.getall(OCCURRED_AT.name, [])
        event = await find_event(log, event_id, at, parts.now())
        known = catalogue().events.get(event.event)
        return Template(
            "event.html",
            context={
                **_common(view, parts),
                "event": event,
                "settled": settled,
                "description": known.description if known else None,
                "expires_at": event.occurred_at + timedelta(days=RETENTION_DAYS),
            },
        )


def _open(
    request: AnyRequest, parts: Parts, org: str, beside: str = ""
) -> tuple[OrganizationLog, View]:
    """The log and the view of a request; ``beside`` names a parameter that is not the view's."""
    log = authorize(request, org)
    given = [(k, v) for k, v in request.query_params.multi_items() if k != beside]
    return log, read_view(parts.settings.path_prefix, org, given, parts.now())


def _common(view: View, parts: Parts) -> dict[str, Any]:
    return {
        "org": view.org,
        "view": view,
        "days": view.days,
        "zone": view.days.zone,
        "now": parts.now(),
        # The oldest day is always partial; do not warn about it.
        "clamped": view.search.clamped and view.days.first < _oldest_day(view, parts),
        "presets": PRESETS,
        "retention": RETENTION_DAYS,
    }


def _oldest_day(view: View, parts: Parts) -> str:
    oldest = parts.now() - timedelta(days=RETENTION_DAYS)
    return oldest.astimezone(view.days.zone).date().isoformat()


def form_context(view: View) -> dict[str, Any]:
    """What the form and the export menu of ``table.html`` are made from."""
    events = catalogue().events.values()
    values = dict[str, tuple[str, ...]]((f.name, found) for f, found in view.search.values)
    return {
        "filters": FILTERS,
        "formats": FORMATS.values(),
        "values": values,
        "more_open": any(f.name in values for f in FILTERS if not f.main),
        # Keep prefixes and unlisted types: the list of checkboxes does not have them.
        "other_events": sorted(set(values.get("event", ())) - {event.key for event in events}),
        "limits": sorted({*LIMITS, view.search.limit}),
        "groups": [
            ("User level", [e for e in events if e.level == "user"]),
            ("Organization level", [e for e in events if e.level == "organization" and not e.own]),
            ("The audit log itself", [e for e in events if e.own]),
        ],
    }
