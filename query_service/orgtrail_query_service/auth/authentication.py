"""Before any route: who is asking, by bearer token or browser session."""

from __future__ import annotations

from typing import Any

from litestar import Request
from litestar.connection import ASGIConnection
from litestar.middleware import AbstractAuthenticationMiddleware, AuthenticationResult

from orgtrail_query_service.auth.administrator import Administrator
from orgtrail_query_service.auth.session import session_administrator
from orgtrail_query_service.problems import Problem, unauthenticated

AnyRequest = Request[Any, Any, Any]


class Authentication(AbstractAuthenticationMiddleware):
    """Finds out once for each request; routes say whether they need somebody."""

    async def authenticate_request(
        self, connection: ASGIConnection[Any, Any, Any, Any]
    ) -> AuthenticationResult:
        """``user`` is the administrator; without one ``auth`` is the problem to answer with."""
        try:
            return AuthenticationResult(user=await _who(connection), auth=None)
        except Problem as problem:
            return AuthenticationResult(user=None, auth=problem)


def administrator(request: AnyRequest) -> Administrator:
    """Who is asking.

    Raises:
        Problem: nobody who is known.
    """
    if request.user is None:
        raise request.auth
    found: Administrator = request.user
    return found


async def _who(connection: ASGIConnection[Any, Any, Any, Any]) -> Administrator:
    service = connection.app.state.service
    authorization = connection.headers.get("authorization")
    if authorization is not None:
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer":
            raise unauthenticated("The Authorization header must be: Bearer TOKEN.")
        found: Administrator = await service.tokens.administrator(token.strip(), service.now())
        return found
    signed_in = session_administrator(connection, service.now())
    if signed_in is None:
        raise unauthenticated("Send a bearer token, or sign in in the browser.")
    return signed_in
