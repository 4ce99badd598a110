"""Content negotiation: the weights of ``Accept`` and ``Accept-Encoding``."""

from __future__ import annotations


def weights(header: str) -> dict[str, float]:
    """The weight of each name in an Accept or Accept-Encoding header; 0 means: not this one."""
    found: dict[str, float] = {}
    for part in header.split(","):
        name, *parameters = (text.strip().lower() for text in part.split(";"))
        weight = next((p[2:] for p in parameters if p.startswith("q=")), "1")
        try:
            found[name] = float(weight)
        except ValueError:
            found[name] = 0
    return found


def accepts_gzip(header: str) -> bool:
    """Whether an Accept-Encoding header allows gzip (RFC 9110, section 12.5.3)."""
    given = weights(header)
    return given.get("gzip", given.get("*", 0)) > 0
