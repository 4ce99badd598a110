"""The filters: each is a row of data, with the SQL that it becomes and a sentence for people.

The columns are those of both ``audit.event_keys`` and ``audit.events``.
"""

from __future__ import annotations

from dataclasses import dataclass

from orgtrail_schemas.catalogue import LEVELS, OUTCOMES


@dataclass(frozen=True)
class Filter:
    """One query parameter that narrows a read; the page calls it by its ``title``.

    ``sql`` holds one parameter of the filter's own name. A ``repeatable`` filter takes several
    values, of which one must hold, or none when it is ``negated``. ``prefix_sql``, with the
    parameter ``<name>_prefixes``, takes those of its values that end in ``.*``. ``choices`` are the
    values allowed, when they are few; ``example`` is one that makes sense.

    ``pairs_with`` are the filters whose values ``audit.event_keys`` has in ``pairs`` with its own.
    """

    name: str
    title: str
    sql: str
    sentence: str
    example: str
    repeatable: bool = False
    negated: bool = False
    prefix_sql: str = ""
    choices: tuple[str, ...] = ()
    pairs_with: tuple[str, ...] = ()


_USER = """(actor_id = {user:String} OR actor_email = {user:String}
 OR impersonator_id = {user:String} OR impersonator_email = {user:String}
 OR has(targets.id, {user:String}) OR has(targets.email, {user:String}))"""
_ACTOR = "(actor_id = {actor:String} OR actor_email = {actor:String})"
_IMPERSONATOR = """(impersonator_id = {impersonator:String}
 OR impersonator_email = {impersonator:String})"""
_TARGET = "(has(targets.id, {target:String}) OR has(targets.email, {target:String}))"
_TEXT = """(arrayExists(t -> positionCaseInsensitiveUTF8(t, {q:String}) > 0, arrayConcat(
 [actor_email, actor_name, impersonator_email, impersonator_name, ip, toString(event)],
 targets.email, targets.name)))"""

_WHAT = ("event", "country", "outcome")

FILTERS: tuple[Filter, ...] = (
    Filter(
        "user",
        "User",
        _USER,
        "the person acted, impersonated or was acted upon (email or id)",
        "bob@x.org",
        pairs_with=_WHAT,
    ),
    Filter(
        "actor",
        "Actor",
        _ACTOR,
        "whose account acted (email or id)",
        "bob@x.org",
        pairs_with=(*_WHAT, "target"),
    ),
    Filter(
        "impersonator",
        "Impersonator",
        _IMPERSONATOR,
        "who acted as somebody else (email or id)",
        "sam@x.org",
        pairs_with=_WHAT,
    ),
    Filter(
        "target",
        "Target",
        _TARGET,
        "who or what was acted upon (email or id)",
        "bob@x.org",
        pairs_with=_WHAT,
    ),
    Filter(
        "event",
        "Event",
        "event IN {event:Array(String)}",
        "the event's key; ends in .* for all that begin so; repeatable",
        "user.login",
        repeatable=True,
        prefix_sql="arrayExists(p -> startsWith(event, p), {event_prefixes:Array(String)})",
    ),
    Filter(
        "exclude_event",
        "Not the event",
        "event IN {exclude_event:Array(String)}",
        "not these events; ends in .* for all that begin so; repeatable",
        "user.login",
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
        choices=LEVELS,
    ),
    Filter(
        "ip",
        "IP address",
        "ip = {ip:String}",
        "the IP address that it came from",
        "203.0.113.7",
        pairs_with=_WHAT,
    ),
    Filter(
        "country",
        "Country",
        "country = {country:String}",
        "the country of the IP address, two letters",
        "FR",
    ),
    Filter(
        "outcome",
        "Outcome",
        "outcome = {outcome:String}",
        "success, failure or denied",
        "failure",
        choices=OUTCOMES,
    ),
    Filter(
        "request_id",
        "Request",
        "request_id = {request_id:String}",
        "the request that caused it",
        "r-1",
    ),
    Filter(
        "session_id",
        "Session",
        "session_id = {session_id:String}",
        "the session it happened in",
        "s-1",
    ),
    Filter(
        "q", "Text", _TEXT, "text in an email, a name, the IP address or the event's key", "bob"
    ),
)
