"""How values read on the page."""

from __future__ import annotations

from jinja2 import Environment

from orgtrail_query_service.readable import from_where, plain, who, whom
from orgtrail_query_service.search import rfc3339


def add_filters(environment: Environment) -> None:
    """Make the formats below available in templates."""
    environment.filters |= {
        "plain": plain,
        "day": lambda moment: f"{moment:%A, %d %B %Y}",
        "clock": lambda moment: f"{moment:%H:%M:%S}",
        "exact": lambda moment: f"{moment:%Y-%m-%d %H:%M:%S}.{moment.microsecond // 1000:03d} UTC",
        "iso": rfc3339,
        "who": who,
        "whom": whom,
        "from_where": from_where,
    }
