"""Content negotiation: the weights of ``Accept`` and ``Accept-Encoding``."""

from __future__ import annotations

from collections.abc import Sequence


def weights(header: str) -> dict[str, float]:
    """The weight of each name in an Accept or Accept-Encoding header; 0 means: not this one."""
    found: dict[str, float] = {}
    for part in header.split(","):
        name, *parameters = (text.strip().lower() for text in part.split(";"))
        weight = next((p[2:] for p in parameters if p.startswith("q=")), "1")
        try:
            number = float(weight)
        except ValueError:
            number = 0
        # NaN and what is below 0 say nothing.
        found[name] = min(number, 1) if number > 0 else 0
    return found


def preferred(header: str, media_types: Sequence[str]) -> str | None:
    """The media type that an Accept header prefers (RFC 9110, section 12.5.1); the first of equals.

    ``None`` if it accepts none of them.
    """
    given = weights(header)

    def weight(media_type: str) -> float:
        kind = f"{media_type.partition('/')[0]}/*"
        return next((given[name] for name in (media_type, kind, "*/*") if name in given), 0)

    best = max(media_types, key=weight)
    return best if weight(best) > 0 else None


def accepts_gzip(header: str) -> bool:
    """Whether an Accept-Encoding header allows gzip (RFC 9110, section 12.5.3)."""
    given = weights(header)
    return given.get("gzip", given.get("*", 0)) > 0
