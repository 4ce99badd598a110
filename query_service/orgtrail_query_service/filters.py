"""The filters: each is a row of data, with the SQL that it becomes and a sentence for people.

The columns are those of both ``audit.event_keys`` and ``audit.events``.
"""

from __future__ import annotations

from dataclasses import dataclass

from orgtrail_schemas.catalogue import LEVELS, OUTCOMES


@dataclass(frozen=True)
class Filter:
    """One query parameter that narrows a read.

    ``sql`` holds one parameter of the filter's own name. A ``repeatable`` filter takes several
    values, of which one must hold. ``choices`` are the values allowed, when they are few.
    """

    name: str
    sql: str
    sentence: str
    repeatable: bool = False
    choices: tuple[str, ...] = ()


_USER = """(actor_id = {user:String} OR actor_email = {user:String}
 OR impersonator_id = {user:String} OR impersonator_email = {user:String}
 OR has(targets.id, {user:String}) OR has(targets.email, {user:String}))"""
_ACTOR = "(actor_id = {actor:String} OR actor_email = {actor:String})"
_TARGET = "(has(targets.id, {target:String}) OR has(targets.email, {target:String}))"

FILTERS: tuple[Filter, ...] = (
    Filter("user", _USER, "the person acted, impersonated or was acted upon (email or id)"),
    Filter("actor", _ACTOR, "whose account acted (email or id)"),
    Filter("target", _TARGET, "who was acted upon (email or id)"),
    Filter(
        "event",
        "(event IN {event:Array(String)})",
        "the event's key; ends in .* for all that begin so; repeatable",
        repeatable=True,
    ),
    Filter("level", "level = {level:String}", "user, organization or other", choices=LEVELS),
    Filter("outcome", "outcome = {outcome:String}", "success, failure or denied", choices=OUTCOMES),
)

EVENT_PREFIXES = "(arrayExists(p -> startsWith(event, p), {event_prefixes:Array(String)}))"
"""What ``event=org.service-account.*`` becomes, beside the exact keys."""
