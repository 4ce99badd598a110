"""Repairs of an event's texts, which the SDK makes before sending and the consumer for any sender.

Each function appends a description of every repair to ``repairs``, such as
``context.user_agent: cut``.
"""

from __future__ import annotations

import ipaddress
import re
from functools import lru_cache

_SURROGATE = re.compile("[\ud800-\udfff]")
_PORT = re.compile(r"(\d+\.\d+\.\d+\.\d+):\d+|\[([^\]]*)\](?::\d+)?")
# White space (Unicode's White_Space), zero-width characters, and the byte order mark.
BLANKS = "".join(map(chr, (*range(9, 14), *range(28, 33), 0x85, 0xA0, 0x1680, 0x180E,
                           *range(0x2000, 0x200E), 0x2028, 0x2029, 0x202F, 0x205F, 0x2060, 0x3000,
                           0xFEFF)))  # fmt: skip
"""Characters that are removed from both ends of an ID or an email address."""


def shorten(value: str, length: int, field: str, repairs: list[str]) -> str:
    """The text without lone surrogates, and at most ``length`` characters."""
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            value = _SURROGATE.sub("\ufffd", value)
            repairs.append(f"{field}: invalid Unicode")
    if len(value) > length:
        repairs.append(f"{field}: cut")
        value = value[:length]
    return value


def lower_domain(value: str) -> str:
    """An email address with its domain in lower case (RFC 5321, section 2.4)."""
    if value.islower():
        return value
    name, at, domain = value.rpartition("@")
    return f"{name}@{domain.lower()}" if at else value


_LONGEST_ADDRESS = 128
"""Longer texts are no address. They come from outside, and the cache must not keep them."""


def address(value: str) -> str | None:
    """An IPv4 or IPv6 address in canonical form (RFC 5952), or ``None`` for anything else.

    Port, brackets, zone and surrounding quotes are removed. An IPv4-mapped address becomes IPv4.
    """
    return _address(value) if len(value) <= _LONGEST_ADDRESS else None


@lru_cache(65_536)
def _address(value: str) -> str | None:
    value = value.strip().strip('"')
    match = _PORT.fullmatch(value)
    if match is not None:
        value = match[1] or match[2]
    try:
        parsed = ipaddress.ip_address(value.partition("%")[0])
    except ValueError:
        return None
    return str(getattr(parsed, "ipv4_mapped", None) or parsed)
