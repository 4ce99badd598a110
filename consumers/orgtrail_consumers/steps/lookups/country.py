"""The country of an IP address: registration data built in, or an operator's own file."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import iptocc
import maxminddb

from orgtrail_consumers.steps.enrich import Countries

_LONGEST = 45
"""Characters of the longest IPv6 address."""


def countries(file: Path | None) -> Countries:
    """The resolver: from ``file`` (.mmdb) when given, else from the regional registries' data.

    Raises:
        OSError, maxminddb.InvalidDatabaseError: the file cannot be read.
    """
    if file is None:
        return _registered
    reader = maxminddb.open_database(str(file))

    @lru_cache(maxsize=100_000)
    def known(ip: str) -> str:
        try:
            found = reader.get(ip)
        except ValueError:
            return ""
        country = found.get("country") if isinstance(found, dict) else None
        code = country.get("iso_code") if isinstance(country, dict) else None
        return str(code or "")

    # What is longer than any address is neither looked for nor remembered.
    return lambda ips: [known(ip) if len(ip) <= _LONGEST else "" for ip in ips]


def _registered(ips: Sequence[str]) -> list[str]:
    return [code or "" for code in iptocc.country_code(list(ips))]
