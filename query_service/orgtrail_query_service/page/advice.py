"""Advice for a page without events: which filter to remove, or how to emit the first event."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import NamedTuple

from orgtrail_query_service.page.address import View
from orgtrail_query_service.page.days import EVERYTHING
from orgtrail_query_service.reads.filters import FILTERS
from orgtrail_query_service.reads.pages import Log, read_page
from orgtrail_query_service.reads.search import Search
from orgtrail_schemas.limits import READ_AHEAD, RETENTION, RETENTION_DAYS


class Advice(NamedTuple):
    """``empty``: the organization has no events. ``relax``: changes that would show some."""

    empty: bool
    relax: list[tuple[str, str]]


async def advise(log: Log, view: View, now: datetime) -> Advice:
    """Try the search without each filter and on all days; each try reads at most one event."""
    search = replace(view.search, limit=1, order="newest", cursor=None)
    whole = replace(search, since=now - RETENTION, until=now + READ_AHEAD)
    exclude = next(f for f in FILTERS if f.name == "exclude_event")
    # Views are recorded too, and do not count as events of the organization's services.
    anything = replace(whole, values=((exclude, ("org.audit-log.*",)),))
    if not await _finds(log, anything):
        return Advice(True, [])
    relax = []
    for filter_, values in search.values:
        rest = tuple(pair for pair in search.values if pair[0] is not filter_)
        if await _finds(log, replace(search, values=rest)):
            label = f"without {filter_.title} {', '.join(values)}"
            relax.append((label, view.link(without=(filter_.name,))))
    if await _finds(log, whole):
        relax.append((f"in the last {RETENTION_DAYS} days", view.dated(("last", EVERYTHING))))
    return Advice(False, relax)


async def _finds(log: Log, search: Search) -> bool:
    return bool((await read_page(log, search, None)).events)
