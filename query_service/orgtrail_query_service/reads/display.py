"""Shows the values of an event to people, on the page and in a terminal."""

from __future__ import annotations

import emoji
import regex

from orgtrail_query_service.reads.event import Actor, Event, Target

VIEWED = "org.audit-log.viewed"
"""The event type whose time is the start of an hour: it stands for all views in that hour."""

FIRST_VIEWED_AT = "first_viewed_at"
"""Its metadata key with the time of the first view."""

# By Unicode's properties: what is invisible or changes the direction of text, control characters,
# line ends, and blanks other than a single space within a text. U+2800 and U+FFF9 to U+FFFB have
# no such property, and are invisible in most fonts.
_ODD = regex.compile(
    r"[\p{Default_Ignorable_Code_Point}\p{Bidi_Control}\p{Cc}\p{Zl}\p{Zp}"
    r"[\p{Zs}--\x20]\u2800\ufff9-\ufffb]|^\x20|\x20$|(?<=\x20)\x20"
    # What looks like one of the code points that we show, and is text.
    r"|\\(?=u[0-9a-f]{4}|U[0-9a-f]{8})",
    regex.V1,
)


def plain(text: object) -> str:
    """The text with each character visible: two texts that differ also look different.

    Invisible characters are shown as code points, except those that make an emoji.
    """
    shown = str(text)
    if not _ODD.search(shown):
        return shown
    kept = [
        found.span()
        for found in regex.finditer(r"\X", shown)
        if len(found[0]) > 1 and emoji.is_emoji(found[0])
    ]
    return str(_ODD.sub(lambda odd: odd[0] if _within(odd.start(), kept) else _code(odd[0]), shown))


def _within(position: int, spans: list[tuple[int, int]]) -> bool:
    return any(begin <= position < end for begin, end in spans)


def _code(character: str) -> str:
    point = ord(character)
    return f"\\u{point:04x}" if point < 0x10000 else f"\\U{point:08x}"


def who(person: Actor | Target) -> str:
    """The best name of a person or thing."""
    return plain(person.name or person.email or person.id or person.type)


def whom(event: Event) -> str:
    """A short form of the targets."""
    if not event.targets:
        return ""
    rest = len(event.targets) - 1
    first = event.targets[0]
    name = plain(first.email or first.name or first.id or first.type)
    return f"{name} and {rest} more" if rest else name


def from_where(event: Event) -> str:
    """Browser and operating system."""
    c = event.context
    return plain(" on ".join(part for part in (c.browser, c.os) if part))
