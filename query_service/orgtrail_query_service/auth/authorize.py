"""Authorization: from a request to the one log that it may read.

The decision is ``Administrator.require``: the organization must be one where the caller has the
administrator's role. ``tokens.py`` reads these from the claims.
"""

from __future__ import annotations

from orgtrail import Context
from orgtrail_query_service.auth.administrator import Administrator
from orgtrail_query_service.auth.organization_log import OrganizationLog
from orgtrail_query_service.parts import AnyRequest, parts_of


def caller(request: AnyRequest) -> Administrator:
    """Who sent the request.

    Raises:
        Problem: nobody is signed in.
    """
    if request.user is None:
        raise request.auth
    who: Administrator = request.user
    return who


def authorize(request: AnyRequest, org: str) -> OrganizationLog:
    """The log of an organization that the caller may read.

    The caller's first view in an hour is recorded.

    Raises:
        Problem: nobody is signed in, or the organization is not theirs.
    """
    parts, who = parts_of(request), caller(request)
    log = parts.logs.open(who, org)
    parts.self_audit.viewed(org, who, request_context(request), parts.now())
    return log


def authorize_export(request: AnyRequest, org: str) -> OrganizationLog:
    """As ``authorize``, for an export, which is recorded as one and not as a view."""
    return parts_of(request).logs.open(caller(request), org)


def request_context(request: AnyRequest) -> Context:
    """Where a request comes from, as the SDK takes it."""
    return Context(
        ip=request.client.host if request.client else "",
        user_agent=request.headers.get("user-agent"),
        request_id=request.headers.get("x-request-id"),
    )
