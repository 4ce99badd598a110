"""How often one caller may ask."""

from __future__ import annotations

from typing import Any

from litestar import Request
from litestar.middleware.rate_limit import RateLimitConfig

AnyRequest = Request[Any, Any, Any]


def rate_limits(requests_a_minute: int, exclude: list[str]) -> RateLimitConfig:
    """``RateLimit-*`` headers on every answer, 429 beyond the limit; counted in each process."""
    return RateLimitConfig(
        rate_limit=("minute", requests_a_minute), identifier_for_request=_caller, exclude=exclude
    )


def _caller(request: AnyRequest) -> str:
    # A verified name, or else an address: what a stranger can vary at will is no identity.
    # OPTIONS has nobody: it says what a route can do, and is not asked who asks.
    who = request.scope.get("user")
    if who is not None:
        return f"subject {who.subject}"
    return f"address {request.client.host if request.client else ''}"
