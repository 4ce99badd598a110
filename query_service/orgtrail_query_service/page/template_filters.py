"""Jinja filters that format values; times are in the page's zone."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial
from secrets import randbelow, token_hex
from zoneinfo import ZoneInfo

from jinja2 import Environment

from orgtrail_query_service.page.address import log_path
from orgtrail_query_service.page.assets import address_of
from orgtrail_query_service.problems import Problem
from orgtrail_query_service.reads.display import (
    FIRST_VIEWED_AT,
    VIEWED,
    from_where,
    plain,
    who,
    whom,
)
from orgtrail_query_service.reads.event import Event
from orgtrail_query_service.reads.search import parse_instant, rfc3339

_STEPS = ((60, "s"), (60, "min"), (24, "h"))


def add_filters(environment: Environment, prefix: str) -> None:
    """Register the filters. ``prefix`` is what the paths of links begin with."""
    environment.filters |= {
        "plain": plain,
        "day": lambda moment, zone: f"{moment.astimezone(zone):%A, %d %B %Y}",
        "clock": lambda moment, zone: f"{moment.astimezone(zone):%H:%M:%S}",
        "minute": lambda moment, zone: f"{moment.astimezone(zone):%Y-%m-%d %H:%M}",
        "exact": exact,
        "ago": ago,
        "iso": rfc3339,
        "is_of_an_hour": lambda event: event.event == VIEWED,
        "first_view": first_view,
        "local_date": lambda moment, zone: moment.astimezone(zone).date(),
        "who": who,
        "whom": whom,
        "from_where": from_where,
        "log_path": partial(log_path, prefix),
    }
    environment.globals |= {
        "asset": partial(address_of, prefix),
        "base": prefix,
        "padding": lambda: token_hex(randbelow(64)),
    }


def first_view(event: Event) -> datetime | None:
    """When the first view of an hour happened; ``None`` if the event does not say."""
    try:
        first = parse_instant(event.metadata.get(FIRST_VIEWED_AT), FIRST_VIEWED_AT)
    except Problem:
        return None
    # Anybody may send such an event.
    begins = event.occurred_at
    return first if first and begins <= first < begins + timedelta(hours=1) else None


def exact(moment: datetime, zone: ZoneInfo) -> str:
    """A time to the millisecond, with its zone."""
    local = moment.astimezone(zone)
    return f"{local:%Y-%m-%d %H:%M:%S}.{local.microsecond // 1000:03d} {local:%Z}"


def ago(moment: datetime, now: datetime) -> str:
    """How long ago a time was, in the largest whole unit."""
    count = max(0, int((now - moment).total_seconds()))
    for size, unit in _STEPS:
        if count < size:
            return f"{count} {unit} ago"
        count //= size
    return f"{count} d ago"
