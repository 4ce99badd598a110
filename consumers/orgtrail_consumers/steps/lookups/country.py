"""The country of an IP address, from built-in registration data or the operator's own file."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import iptocc
import maxminddb

from orgtrail_consumers.steps.enrich import Countries

_LONGEST = 45
"""Length of the longest IPv6 address, in characters."""


def countries(file: Path | None) -> Countries:
    """The resolver. It uses ``file`` (.mmdb) if given, else the regional registries' data.

    Raises:
        OSError, ValueError: the file cannot be read.
    """
    if file is None:
        return _registered
    try:
        reader = maxminddb.open_database(str(file))
    except maxminddb.InvalidDatabaseError as error:
        raise ValueError(f"{file} is not a country database (.mmdb)") from error

    @lru_cache(maxsize=100_000)
    def known(ip: str) -> str:
        try:
            entry = reader.get(ip)
        except ValueError:
            return ""
        country = entry.get("country") if isinstance(entry, dict) else None
        code = country.get("iso_code") if isinstance(country, dict) else None
        return str(code or "")

    # Skip, and do not cache, strings longer than an IP address.
    return lambda ips: [known(ip) if len(ip) <= _LONGEST else "" for ip in ips]


def _registered(ips: Sequence[str]) -> list[str]:
    return [code or "" for code in iptocc.country_code(list(ips))]
