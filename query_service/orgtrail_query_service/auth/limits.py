"""Rate limits per caller, so that nobody keeps a process busy."""

from __future__ import annotations

import asyncio
import ipaddress
from typing import Any

from litestar import Litestar, Request
from litestar.middleware.rate_limit import RateLimitConfig

AnyRequest = Request[Any, Any, Any]


_FORGET_EVERY_S = 60
_ONE_NETWORK = 64
"""What one customer gets of IPv6, in bits (RFC 6177): all its addresses are one caller."""


def rate_limits(requests_a_minute: int, exclude: list[str]) -> RateLimitConfig:
    """``RateLimit-*`` headers on every answer, 429 beyond the limit; per process."""
    return RateLimitConfig(
        rate_limit=("minute", requests_a_minute), identifier_for_request=_caller, exclude=exclude
    )


def _caller(request: AnyRequest) -> str:
    # Key by verified subject, else by address; a caller could vary anything else at will.
    # OPTIONS requests are not authenticated: they have no user.
    who = request.scope.get("user")
    if who is not None:
        return f"subject {who.subject}"
    return f"address {network(request.client.host if request.client else '')}"


def network(host: str) -> str:
    """The address that a limit counts by: an IPv4 address, or the /64 of an IPv6 address."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host
    if address.version == 4:
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.ip_network((int(address), _ONE_NETWORK), strict=False))


async def forget_callers(app: Litestar) -> None:
    """Forget callers whose minute is over, for ever: Litestar keeps each until it asks again."""
    while True:
        await asyncio.sleep(_FORGET_EVERY_S)
        await app.stores.get("rate_limit").delete_expired()  # type: ignore[attr-defined]
