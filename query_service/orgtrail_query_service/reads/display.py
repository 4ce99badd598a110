"""Shows the values of an event to people, on the page and in a terminal."""

from __future__ import annotations

from orgtrail_query_service.reads.event import Actor, Event, Target

# Characters that change the direction of text, or are invisible, are shown as code points.
_INVISIBLE = {
    code: f"\\u{code:04x}"
    for code in (
        *range(0x00, 0x20),
        *range(0x7F, 0xA0),
        *range(0x200B, 0x2010),
        *range(0x2028, 0x202F),
        *range(0x2066, 0x206A),
        0xFEFF,
    )
}


def plain(text: object) -> str:
    """The text with control and direction characters made visible."""
    return str(text).translate(_INVISIBLE)


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
