"""Converts the days in the page's address into instants. No other module does.

The address has either ``last`` (a preset, relative to now) or ``from`` and ``to``: days, or
minutes such as ``2026-11-23T09:30``, in the zone ``tz`` (an IANA name, UTC by default). The day
or minute of ``to`` is included.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

from orgtrail_query_service.problems import bad_parameter
from orgtrail_query_service.reads.calendar import midnight
from orgtrail_schemas.limits import RETENTION_DAYS

NAMES = ("last", "from", "to", "tz")
EVERYTHING = f"{RETENTION_DAYS}d"
"""The preset of all that is kept."""

PRESETS = {
    "24h": "24 hours",
    "7d": "7 days",
    "30d": "30 days",
    EVERYTHING: f"{RETENTION_DAYS} days",
}
OPENING = "7d"
"""What the page opens on."""


@dataclass(frozen=True)
class Days:
    """A range that the page shows.

    ``since`` and ``until`` are instants in UTC, half-open; ``until`` is ``None`` if the range
    ends now. ``first`` and ``last`` are the values of ``from`` and ``to``, also for a preset.
    """

    since: datetime
    until: datetime | None
    first: str
    last: str
    preset: str | None
    zone: ZoneInfo

    def parameters(self) -> list[tuple[str, str]]:
        """Parameters that mean the same days tomorrow and in another time zone."""
        return [("from", self.first), ("to", self.last), ("tz", self.zone.key)]


def read_days(given: dict[str, str], now: datetime) -> Days:
    """Parse the days of an address; ``given`` has only parameters in ``NAMES``.

    Raises:
        Problem: a value cannot be used.
    """
    zone = _zone(given.get("tz", "UTC"))
    today = now.astimezone(zone).date()
    first, last = given.get("from"), given.get("to")
    if first is None and last is None:
        return _preset(given.get("last", OPENING), today, now, zone)
    last = last or today.isoformat()
    _, until = moments(last, "to", zone)
    first = first or _week_before(until, zone)
    since, _ = moments(first, "from", zone)
    if since > now:
        raise bad_parameter("from", "must not be in the future")
    if until <= since:
        raise bad_parameter("to", "must not be before from")
    return Days(since, until if until <= now else None, first, last, None, zone)


def moments(text: str, name: str, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """The start and end of a day or minute of a zone, in UTC.

    A minute that occurs twice, when clocks go back, starts with the first and ends with the second.

    Raises:
        Problem: the text is neither a day nor a minute.
    """
    try:
        if "T" not in text:
            day = datetime.strptime(text, "%Y-%m-%d").date()
            _spelled(text, day.isoformat())
            return midnight(day, zone), midnight(day + timedelta(days=1), zone)
        minute = datetime.strptime(text, "%Y-%m-%dT%H:%M")
        _spelled(text, minute.isoformat(timespec="minutes"))
        begins = minute.replace(tzinfo=zone).astimezone(UTC)
        ends = minute.replace(tzinfo=zone, fold=1).astimezone(UTC)
        return begins, max(begins, ends) + timedelta(minutes=1)
    except (ValueError, OverflowError):
        examples = "2026-11-23 or 2026-11-23T09:30"
        raise bad_parameter(name, f"must be a day or a minute such as {examples}") from None


def spell(moment: datetime, zone: ZoneInfo) -> str:
    """The minute of an instant, in the form of ``from`` and ``to``."""
    return moment.astimezone(zone).strftime("%Y-%m-%dT%H:%M")


def _spelled(text: str, canonical: str) -> None:
    # Browsers' date fields accept only this spelling, so accept no other.
    if text != canonical:
        raise ValueError


def _week_before(until: datetime, zone: ZoneInfo) -> str:
    try:
        return (until.astimezone(zone).date() - timedelta(days=7)).isoformat()
    except OverflowError:
        raise bad_parameter("to", "is too long ago") from None


def _preset(name: str, today: date, now: datetime, zone: ZoneInfo) -> Days:
    if name not in PRESETS:
        raise bad_parameter("last", f"must be one of {', '.join(PRESETS)}")
    if name in ("24h", EVERYTHING):
        # Not from midnight: the last 24 hours, and the whole retention.
        since = now - (timedelta(hours=24) if name == "24h" else timedelta(days=RETENTION_DAYS))
        first = since.astimezone(zone).date()
    else:
        first = today - timedelta(days=int(name.removesuffix("d")) - 1)
        since = midnight(first, zone)
    return Days(since, None, first.isoformat(), today.isoformat(), name, zone)


def _zone(name: str) -> ZoneInfo:
    if name not in _zones():
        raise bad_parameter("tz", "must be a time zone's name such as Europe/Paris")
    return ZoneInfo(name)


@cache
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())
