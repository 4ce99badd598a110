"""Rate limits per caller."""

from __future__ import annotations

from typing import Any

from litestar import Request
from litestar.middleware.rate_limit import RateLimitConfig

AnyRequest = Request[Any, Any, Any]


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
    return f"address {request.client.host if request.client else ''}"
