"""Determines the client's address behind trusted proxies.

Each proxy appends the address of its peer to the header, so the header is read from right to left,
starting at the peer of the connection. If a hop is trusted, the address to its left, which that
hop appended, is examined next. The first untrusted hop is the client. Everything further left was
written by that client and is ignored. A hop that is not an address (``unknown``, ``_hidden``,
garbage) ends the walk at the last valid hop.

Only one header is read: ``X-Forwarded-For``, or ``Forwarded`` (RFC 7239) if ``X-Forwarded-For`` is
absent. A proxy that appends to one header forwards the other one as the client wrote it, so the
two must not be combined. Most proxies append to ``X-Forwarded-For``. Include the word
``forwarded`` in the networks if yours append to ``Forwarded``; then ``X-Forwarded-For`` is never
read.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Iterator
from functools import lru_cache

from orgtrail.errors import SettingsError
from orgtrail.text import address

MOST_HOPS = 32
"""Maximum number of hops read from a header, counted from the right."""

_MOST_CHARACTERS = 2_048
_LONGEST_HOP = 64
_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"  # noqa: S105 - the token of a grammar
# RFC 7239 requires quotes around addresses with colons and brackets, but many proxies omit them.
_PAIR = rf'\s*({_TOKEN})=(?:"([^"\\]*)"|([^\s",;=\\]+))\s*'
_ELEMENT = re.compile(rf"{_PAIR}(?:;{_PAIR})*")
_PAIRS = re.compile(_PAIR)
_HIDDEN_PORT = re.compile(r":_[A-Za-z0-9._-]+$")

_Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Networks:
    """The trusted proxies: ``Networks("10.0.0.0/8, ::1, unix")``.

    Two words are accepted besides addresses and networks. ``unix`` trusts a peer without an
    address (a Unix socket). ``forwarded`` means that the proxies append to ``Forwarded``.

    Raises:
        SettingsError: a part is neither a network, nor an address, nor one of these words.
    """

    def __init__(self, text: str | Iterable[str] = "") -> None:
        parts = text.split(",") if isinstance(text, str) else list(text)
        self.unix = False
        self.forwarded = False
        self._networks: list[_Network] = []
        for part in filter(None, (part.strip() for part in parts)):
            if part == "unix":
                self.unix = True
            elif part == "forwarded":
                self.forwarded = True
            else:
                self._networks.append(_network(part))
        # Most requests come from the same few hops. The length of a hop is limited, so the cache
        # stays small.
        self._is_trusted = lru_cache(4_096)(self._find)

    def __contains__(self, hop: str) -> bool:
        """Whether an address (in its canonical form; empty for a Unix socket) is trusted."""
        if not hop:
            return self.unix
        if not self._networks or len(hop) > _LONGEST_HOP:
            return False
        return self._is_trusted(hop)

    def _find(self, hop: str) -> bool:
        try:
            parsed = ipaddress.ip_address(hop)
        except ValueError:
            return False
        return any(parsed in network for network in self._networks)


NOBODY = Networks()
"""No proxy is trusted, so the client is always the peer."""


def client_address(peer: str, headers: Iterable[tuple[bytes, bytes]], trusted: Networks) -> str:
    """Return the address of the client: the right-most untrusted hop.

    ``peer`` is the address that opened the connection, empty for a Unix socket. ``headers`` have
    lower-case names. If every hop is trusted, the left-most hop is the client. A peer that is not
    an address is returned unchanged.
    """
    reached = _canonical(peer) or peer
    if reached not in trusted:
        return reached
    for hop in _hops(headers, trusted.forwarded):
        canonical = _canonical(hop)
        if not canonical:
            break
        reached = canonical
        if canonical not in trusted:
            break
    return reached


def _network(part: str) -> _Network:
    try:
        network = ipaddress.ip_network(part)
    except ValueError:
        raise SettingsError(
            f"trusted proxies: {part[:100]!r} is neither an address, a network such as 10.0.0.0/8,"
            " unix, nor forwarded"
        ) from None
    mapped = getattr(network.network_address, "ipv4_mapped", None)
    if mapped is not None and network.prefixlen >= 96:
        return ipaddress.IPv4Network((mapped, network.prefixlen - 96))
    return network


def _canonical(hop: str) -> str:
    if len(hop) > _LONGEST_HOP:
        return ""
    if ":_" in hop:
        hop = _HIDDEN_PORT.sub("", hop)
    return address(hop) or ""


def _hops(headers: Iterable[tuple[bytes, bytes]], forwarded_only: bool) -> Iterator[str]:
    """Yield the hops of the header, the right-most first."""
    lines: dict[bytes, list[bytes]] = {b"x-forwarded-for": [], b"forwarded": []}
    for name, value in headers:
        if name in lines:
            lines[name].append(value)
    if lines[b"x-forwarded-for"] and not forwarded_only:
        elements = _from_the_right(lines[b"x-forwarded-for"], quotes=False)
    else:
        elements = map(_for, _from_the_right(lines[b"forwarded"], quotes=True))
    return elements


def _from_the_right(lines: list[bytes], *, quotes: bool) -> Iterator[str]:
    """Yield the elements of a list header (RFC 9110, section 5.3), the last first.

    Quotes are paired from the right as well. Otherwise an unclosed quote in the client's part
    could swallow the elements that the proxies appended.
    """
    whole = b",".join(lines)
    text = whole[-_MOST_CHARACTERS:].decode("latin-1")
    end = len(text)
    for _ in range(MOST_HOPS):
        start = _start(text, end, quotes=quotes)
        if start == 0 and len(whole) > len(text):
            return  # The text was truncated inside this element.
        element = text[start:end].strip()
        if element:
            yield element
        if start == 0:
            return
        end = start - 1


def _start(text: str, end: int, *, quotes: bool) -> int:
    at = end
    while True:
        comma = text.rfind(",", 0, at)
        quote = text.rfind('"', 0, at) if quotes else -1
        if comma >= quote:
            return comma + 1
        at = text.rfind('"', 0, quote)
        if at == -1:
            return 0


def _for(element: str) -> str:
    """Return the ``for`` parameter of one ``Forwarded`` element, or "" if it is not usable."""
    if not _ELEMENT.fullmatch(element):
        return ""
    values = [m[2] or m[3] for m in _PAIRS.finditer(element) if m[1].lower() == "for"]
    return values[0] if len(values) == 1 and values[0] else ""
