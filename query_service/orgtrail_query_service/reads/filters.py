"""The filters: each is a row of data. SQL, OpenAPI, CLI, form and docs are made from it.

``statements.py`` composes the conditions into a query.

The columns are those of the storage table.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from orgtrail_schemas.catalogue import LEVELS, OUTCOMES
from orgtrail_schemas.repair import BLANKS, address

Control = Literal["text", "person", "choice", "event_types", "hidden"]


@dataclass(frozen=True)
class Filter:
    """One query parameter that narrows a read.

    ``title`` is its name on the page, ``sentence`` what it keeps, ``example`` a sensible value.

    ``sql`` holds one parameter of the filter's own name. A ``repeatable`` filter takes several
    values, one of which must match, or none if it is ``negated``: as an array in ``sql``, else
    ``sql`` is repeated for each, because only then every index helps. ``prefix_sql``, with the
    parameter ``<name>_prefixes``, takes those of its values that end in ``.*``. ``choices`` are the
    allowed values, if they are few.

    ``control`` is the form field that the page shows, with ``hint`` in it; ``main`` filters are
    always visible, the others below "More filters".

    ``tags`` are how the index ``tokens_idx`` marks the values that this filter looks for.
    """

    name: str
    title: str
    sql: str
    sentence: str
    example: str
    control: Control = "text"
    hint: str = ""
    main: bool = False
    repeatable: bool = False
    negated: bool = False
    prefix_sql: str = ""
    choices: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    normalize: Callable[[str], str] = lambda value: value.strip(BLANKS)
    """Brings a value into the form that is stored; raises ``ValueError`` with a rule it breaks."""
    range_sql: str = ""
    """The condition for a value that contains a slash, if the filter takes ranges."""

    @property
    def takes_array(self) -> bool:
        """Whether ``sql`` takes all values at once."""
        return f"{{{self.name}:Array(String)}}" in self.sql

    @property
    def most(self) -> int:
        """How many values a request may give."""
        if not self.repeatable:
            return 1
        return 100 if self.takes_array else 20


def _ip(value: str) -> str:
    value = value.strip(BLANKS)
    if "/" in value:
        try:
            return str(ipaddress.ip_network(value, strict=False))
        except ValueError:
            raise ValueError("must be an IP address or a range such as 203.0.113.0/24") from None
    canonical = address(value)
    if canonical is None:
        raise ValueError("must be an IP address or a range such as 203.0.113.0/24")
    return canonical


# An email address is found in any case, an ID only as it is: some IDs differ by case alone. The
# expressions equal those of the indexes (migration 0008).
_EMAIL = "lowerUTF8({column}) = lowerUTF8({{{name}:String}})"
_TARGET_EMAIL = (
    "has(arrayMap(email -> lowerUTF8(email), targets.email), lowerUTF8({{{name}:String}}))"
)


def _person(name: str, *roles: str) -> str:
    """The condition that a person has one of the roles: actor, impersonator or target."""
    clauses = []
    for role in roles:
        if role == "target":
            clauses += [f"has(targets.id, {{{name}:String}})", _TARGET_EMAIL.format(name=name)]
        else:
            email = _EMAIL.format(column=f"{role}_email", name=name)
            clauses += [f"{role}_id = {{{name}:String}}", email]
    return "(" + " OR ".join(clauses) + ")"


_TEXT = """(arrayExists(t -> positionCaseInsensitiveUTF8(t, {q:String}) > 0, arrayConcat(
 [actor_email, actor_name, actor_id, impersonator_email, impersonator_name, impersonator_id, ip,
  toString(event), request_id, session_id],
 targets.email, targets.name, targets.id, arrayMap(t -> ifNull(t, ''), changes.old),
 arrayMap(t -> ifNull(t, ''), changes.new), mapValues(metadata))))"""

FILTERS: tuple[Filter, ...] = (
    Filter(
        "event",
        "Event",
        "event IN {event:Array(String)}",
        "the event type's key; a key that ends in .* matches all with that prefix; repeatable",
        "user.login",
        control="event_types",
        main=True,
        repeatable=True,
        prefix_sql="arrayExists(p -> startsWith(event, p), {event_prefixes:Array(String)})",
        tags=("event",),
    ),
    Filter(
        "exclude_event",
        "Not the event",
        "event IN {exclude_event:Array(String)}",
        "not these event types; a key that ends in .* excludes all with that prefix; repeatable",
        "user.login",
        control="hidden",
        main=True,
        repeatable=True,
        negated=True,
        prefix_sql="arrayExists(p -> startsWith(event, p), {exclude_event_prefixes:Array(String)})",
    ),
    Filter(
        "level",
        "Level",
        "level = {level:String}",
        "user, organization or other",
        "user",
        control="choice",
        main=True,
        choices=LEVELS,
        tags=("level",),
    ),
    Filter(
        "user",
        "User",
        _person("user", "actor", "impersonator", "target"),
        "the person acted, impersonated or was acted upon (email in any case, or ID); repeatable",
        "bob@x.org",
        control="person",
        hint="email or ID",
        main=True,
        repeatable=True,
        tags=("actor", "impersonator", "target"),
    ),
    Filter(
        "q",
        "Text",
        _TEXT,
        "text in an email, a name, an ID, the IP address, the event type's key, a changed value or"
        " the metadata",
        "bob",
        hint="in names, IDs, values, IP",
        main=True,
    ),
    Filter(
        "outcome",
        "Outcome",
        "outcome = {outcome:String}",
        "success, failure or denied",
        "failure",
        control="choice",
        choices=OUTCOMES,
        tags=("outcome",),
    ),
    Filter(
        "actor",
        "Actor",
        _person("actor", "actor"),
        "whose account acted (email in any case, or ID); repeatable",
        "bob@x.org",
        control="person",
        hint="email or ID",
        repeatable=True,
        tags=("actor",),
    ),
    Filter(
        "impersonator",
        "Impersonator",
        _person("impersonator", "impersonator"),
        "who acted as somebody else (email in any case, or ID); repeatable",
        "sam@x.org",
        control="person",
        hint="email or ID",
        repeatable=True,
        tags=("impersonator",),
    ),
    Filter(
        "target",
        "Target",
        _person("target", "target"),
        "who or what was acted upon (email in any case, or ID); repeatable",
        "bob@x.org",
        control="person",
        hint="email or ID",
        repeatable=True,
        tags=("target",),
    ),
    Filter(
        "ip",
        "IP address",
        "ip = {ip:String}",
        "the IP address that the request came from, or a range such as 203.0.113.0/24; repeatable",
        "203.0.113.7",
        hint="203.0.113.7 or /24",
        normalize=_ip,
        # An empty address is in no range, and ClickHouse would refuse it.
        range_sql="(ip != '' AND isIPAddressInRange(if(ip = '', '::', ip), {ip:String}))",
        repeatable=True,
        tags=("ip",),
    ),
    Filter(
        "country",
        "Country",
        "country = {country:String}",
        "the country of the IP address, two letters; repeatable",
        "FR",
        hint="two letters",
        normalize=lambda value: value.strip(BLANKS).upper(),
        repeatable=True,
        tags=("country",),
    ),
    Filter(
        "request_id",
        "Request",
        "request_id = {request_id:String}",
        "the request that caused the event",
        "r-1",
        hint="ID",
    ),
    Filter(
        "session_id",
        "Session",
        "session_id = {session_id:String}",
        "the session in which the event occurred",
        "s-1",
        hint="ID",
    ),
)
