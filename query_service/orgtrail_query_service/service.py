"""What the routes share: made once at the start, and put into Litestar's state."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from litestar import Request

from orgtrail_query_service.administrator import Administrator, Tokens
from orgtrail_query_service.clickhouse import Database
from orgtrail_query_service.cursor import Cursors
from orgtrail_query_service.problems import unauthenticated
from orgtrail_query_service.session import session_administrator
from orgtrail_query_service.settings import QuerySettings


@dataclass(frozen=True)
class Service:
    """The parts of the query service. ``now`` is the clock, in UTC."""

    settings: QuerySettings
    reader: Database
    exporter: Database
    tokens: Tokens
    cursors: Cursors
    now: Callable[[], datetime]

    def administrator(self, request: Request[Any, Any, Any]) -> Administrator:
        """Who is asking: by bearer token, else by browser session.

        Raises:
            Problem: neither is there, or the token is not valid.
        """
        authorization = request.headers.get("authorization")
        if authorization is not None:
            scheme, _, token = authorization.partition(" ")
            if scheme.lower() != "bearer":
                raise unauthenticated("The Authorization header must be: Bearer TOKEN.")
            return self.tokens.administrator(token.strip(), self.now())
        signed_in = session_administrator(request, self.now())
        if signed_in is None:
            raise unauthenticated("Send a bearer token, or sign in in the browser.")
        return signed_in
