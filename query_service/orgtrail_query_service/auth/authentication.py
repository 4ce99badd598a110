"""Authentication: who sent a request, by bearer token or browser session."""

from __future__ import annotations

from litestar.middleware import AbstractAuthenticationMiddleware, AuthenticationResult

from orgtrail_query_service.auth.administrator import Administrator
from orgtrail_query_service.auth.session import session_administrator
from orgtrail_query_service.parts import AnyConnection, parts_of
from orgtrail_query_service.problems import Problem, unauthenticated


class Authentication(AbstractAuthenticationMiddleware):
    """Runs once for each request; the routes decide whether somebody must be signed in."""

    async def authenticate_request(self, connection: AnyConnection) -> AuthenticationResult:
        """``user`` is the administrator; without one ``auth`` is the problem to answer with."""
        try:
            return AuthenticationResult(user=await _authenticate(connection), auth=None)
        except Problem as problem:
            return AuthenticationResult(user=None, auth=problem)


async def _authenticate(connection: AnyConnection) -> Administrator:
    parts = parts_of(connection)
    scheme, _, token = connection.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return await parts.tokens.verify(token.strip(), parts.now())
    # A browser behind a proxy with a password of its own sends that one with every request.
    signed_in = session_administrator(connection, parts.now())
    if signed_in is not None:
        return signed_in
    if scheme:
        raise unauthenticated("The Authorization header must be: Bearer TOKEN.")
    raise unauthenticated("Send a bearer token, or sign in in the browser.")
