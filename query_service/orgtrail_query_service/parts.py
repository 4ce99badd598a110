"""What the routes share: made once at the start, kept in Litestar's state."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from litestar import Request
from litestar.connection import ASGIConnection

from orgtrail_query_service.auth.oidc import OidcProvider
from orgtrail_query_service.auth.organization_log import Logs
from orgtrail_query_service.auth.tokens import TokenVerifier
from orgtrail_query_service.reads.cursor import Cursors
from orgtrail_query_service.self_audit import SelfAudit
from orgtrail_query_service.settings import QuerySettings

AnyRequest = Request[Any, Any, Any]
AnyConnection = ASGIConnection[Any, Any, Any, Any]


@dataclass(frozen=True)
class Parts:
    """The parts of the query service. ``now`` is the clock, in UTC.

    None of them reads an organization's events: that takes the log that ``authorize`` returns.
    """

    settings: QuerySettings
    logs: Logs
    provider: OidcProvider
    tokens: TokenVerifier
    cursors: Cursors
    self_audit: SelfAudit
    now: Callable[[], datetime]


def parts_of(connection: AnyConnection) -> Parts:
    """The parts of the application that answers a request."""
    return cast("Parts", connection.app.state.parts)
