"""People of an organization, to complete the user filter."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

import msgspec

from orgtrail_query_service.problems import bad_parameter
from orgtrail_query_service.reads import statements
from orgtrail_query_service.reads.event import utc
from orgtrail_query_service.reads.pages import Log

MOST = 20
MAX_PREFIX = 128


class Person(msgspec.Struct, frozen=True):
    """One person or account. ``last_seen`` is in UTC, to the day."""

    type: str
    id: str
    email: str
    name: str
    last_seen: datetime


async def read_people(log: Log, parameters: Iterable[tuple[str, str]]) -> list[Person]:
    """At most ``MOST`` people whose email, ID or name starts with ``prefix``, last seen first.

    Raises:
        Problem: a parameter is unknown or cannot be used.
    """
    prefixes = []
    for name, value in parameters:
        if name != "prefix":
            raise bad_parameter(name[:64], "is unknown; use prefix")
        if len(value) > MAX_PREFIX or "\x00" in value:
            raise bad_parameter(name, f"must be at most {MAX_PREFIX} characters, without NUL")
        prefixes.append(value)
    if len(prefixes) > 1:
        raise bad_parameter("prefix", "may be given once")
    rows = await log.rows(statements.people(log.org, prefixes[0] if prefixes else "", MOST))
    return [Person(kind, id_, email, name, utc(seen)) for kind, id_, email, name, seen in rows]
