"""What the routes share: made once at the start, and put into Litestar's state."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from litestar import Request

from orgtrail import Context
from orgtrail_query_service.auth.administrator import Administrator, Tokens
from orgtrail_query_service.auth.authentication import administrator
from orgtrail_query_service.auth.issuer import Issuer
from orgtrail_query_service.reads.cursor import Cursors
from orgtrail_query_service.reads.database import Database
from orgtrail_query_service.self_audit import Recorder
from orgtrail_query_service.settings import QuerySettings

AnyRequest = Request[Any, Any, Any]


@dataclass(frozen=True)
class Service:
    """The parts of the query service. ``now`` is the clock, in UTC."""

    settings: QuerySettings
    reader: Database
    exporter: Database
    issuer: Issuer
    tokens: Tokens
    cursors: Cursors
    recorder: Recorder
    now: Callable[[], datetime]

    def open(self, request: AnyRequest, org: str) -> Administrator:
        """Let an administrator of the organization in; their first view in an hour is recorded.

        Raises:
            Problem: nobody is signed in, or it is not theirs.
        """
        who = administrator(request)
        who.require(org)
        self.recorder.viewed(org, who, where(request), self.now())
        return who


def where(request: AnyRequest) -> Context:
    """Where a request comes from, as the SDK takes it."""
    return Context(
        ip=request.client.host if request.client else "",
        user_agent=request.headers.get("user-agent"),
        request_id=request.headers.get("x-request-id"),
    )
