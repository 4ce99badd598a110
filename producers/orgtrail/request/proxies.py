"""The address of the client, seen through the proxies that an operator trusts.

Each proxy appends the address of whoever spoke to it, so the header is read from its right end:
beginning at the peer, as long as a hop is trusted, the hop to its left is believed. The first one
that is not trusted is the client; what stands further left is what that client wrote. A hop that
is no address (``unknown``, ``_hidden``, garbage) ends the walk at the last good one.

One header is read, never a mixture: ``X-Forwarded-For``, or ``Forwarded`` (RFC 7239) when the other
is absent. A proxy that appends to one header hands the other on as the client wrote it, and most
append to ``X-Forwarded-For``. The word ``forwarded`` among the networks says that these proxies
append to ``Forwarded``; then ``X-Forwarded-For`` is never read.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Iterator
from functools import lru_cache

from orgtrail.errors import SettingsError
from orgtrail.text import address

MOST_HOPS = 32
"""How many hops of a header are read, from the right."""

_MOST_CHARACTERS = 2_048
_LONGEST_HOP = 64
_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"  # noqa: S105 - the token of a grammar
# Unquoted addresses with colons and brackets are not valid, and common.
_PAIR = rf'\s*({_TOKEN})=(?:"([^"\\]*)"|([^\s",;=\\]+))\s*'
_ELEMENT = re.compile(rf"{_PAIR}(?:;{_PAIR})*")
_PAIRS = re.compile(_PAIR)
_HIDDEN_PORT = re.compile(r":_[A-Za-z0-9._-]+$")

_Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Networks:
    """The proxies that are trusted: ``Networks("10.0.0.0/8, ::1, unix")``.

    Beside addresses and networks there are two words: ``unix`` trusts a peer without an address (a
    Unix socket), ``forwarded`` names the header that the proxies append to.

    Raises:
        SettingsError: a part is neither a network, nor an address, nor one of the words.
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
        # The same few proxies and clients come again and again; a hop is short, so this is small.
        self._found = lru_cache(4_096)(self._find)

    def __contains__(self, hop: str) -> bool:
        """Whether an address (in its canonical form; empty for a Unix socket) is trusted."""
        if not hop:
            return self.unix
        if not self._networks or len(hop) > _LONGEST_HOP:
            return False
        return self._found(hop)

    def _find(self, hop: str) -> bool:
        try:
            found = ipaddress.ip_address(hop)
        except ValueError:
            return False
        return any(found in network for network in self._networks)


NOBODY = Networks()
"""No proxy is trusted: the client is the peer."""


def client_address(peer: str, headers: Iterable[tuple[bytes, bytes]], trusted: Networks) -> str:
    """The address of the client: the right-most hop that is not trusted.

    ``peer`` is who opened the connection, empty for a Unix socket. ``headers`` have lower-case
    names. When every hop is trusted, the left-most one is the client. A peer that is no address is
    returned as it is.
    """
    reached = _canonical(peer) or peer
    if reached not in trusted:
        return reached
    for hop in _hops(headers, trusted.forwarded):
        found = _canonical(hop)
        if not found:
            break
        reached = found
        if found not in trusted:
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
    """The hops that a header names, the right-most first."""
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
    """The elements of a list header (RFC 9110, section 5.3), the last first.

    Quotes are paired from the right too: an opening quote that a client left in its own part must
    not swallow what a proxy appended.
    """
    whole = b",".join(lines)
    text = whole[-_MOST_CHARACTERS:].decode("latin-1")
    end = len(text)
    for _ in range(MOST_HOPS):
        start = _start(text, end, quotes=quotes)
        if start == 0 and len(whole) > len(text):
            return  # its beginning was cut off
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
    """What one element of ``Forwarded`` says about whom it was forwarded for."""
    if not _ELEMENT.fullmatch(element):
        return ""
    found = [m[2] or m[3] for m in _PAIRS.finditer(element) if m[1].lower() == "for"]
    return found[0] if len(found) == 1 and found[0] else ""
