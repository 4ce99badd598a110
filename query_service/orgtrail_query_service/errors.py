"""From exceptions to answers: problem+json for programs, a page for browsers."""

from __future__ import annotations

import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import structlog
from litestar import Response
from litestar.exceptions import HTTPException
from litestar.response import Template

from orgtrail_query_service.auth.redirects import own_path
from orgtrail_query_service.parts import AnyRequest, parts_of
from orgtrail_query_service.problems import Problem, not_found, too_many

log = structlog.get_logger("orgtrail.query")

_LONGEST = 1_024

_KINDS = {
    400: ("bad-request", "Malformed request"),
    404: ("not-found", "Not found"),
    403: ("forbidden", "The form has expired"),
    405: ("method-not-allowed", "The log is read-only"),
}


def on_problem(request: AnyRequest, problem: Problem) -> Response[Any]:
    """A problem that the service raised."""
    return _answer(request, problem)


def on_http_exception(request: AnyRequest, error: HTTPException) -> Response[Any]:
    """An error of Litestar's, before a route was reached."""
    headers = error.headers or {}
    if error.status_code == 429:
        return _answer(request, too_many(int(headers["RateLimit-Reset"])), headers)
    kind, title = _KINDS.get(error.status_code, ("error", "The request failed"))
    detail = error.detail if error.status_code < 500 else "The error was logged."
    return _answer(request, Problem(kind, error.status_code, title, detail), headers)


def on_exception(request: AnyRequest, error: Exception) -> Response[Any]:
    """A bug: its location goes to the log, and nothing of it to the caller."""
    if "\x00" in request.url.path:
        # The file system raises ValueError for this name, which no route or file has.
        return _answer(request, not_found())
    # Not the message: it may contain what the caller searched for.
    frames = traceback.extract_tb(error.__traceback__)[-5:]
    log.error(
        "request_failed",
        error=type(error).__name__,
        at=[f"{Path(frame.filename).name}:{frame.lineno}" for frame in frames],
    )
    return _answer(
        request, Problem("internal-error", 500, "Internal error", "The error was logged.")
    )


def _answer(
    request: AnyRequest, problem: Problem, more: Mapping[str, str] | None = None
) -> Response[Any]:
    headers = {**(more or {}), **dict(problem.headers)}
    path = request.url.path
    if path.startswith("/v1/") or "text/html" not in request.headers.get("accept", ""):
        return Response(
            problem.body,
            status_code=problem.status,
            media_type="application/problem+json",
            headers=headers,
        )
    settings = parts_of(request).settings
    prefix = settings.path_prefix
    again = own_path(prefix + quote(path)) + (f"?{request.url.query}" if request.url.query else "")
    signs_in = settings.oidc_client_id is not None
    # Not to an answer of the provider, which is good for once; and not to what no header holds.
    back = again if not path.startswith("/sign-in") and len(again) < _LONGEST else f"{prefix}/"
    sign_in = f"{prefix}/sign-in?{urlencode({'next': back})}"
    if problem.status == 401 and signs_in and not path.startswith("/sign-in"):
        # Not a redirect: after a form, the form-action policy would keep it on this host.
        headers["Refresh"] = f"0; url={sign_in}"
    who = request.scope.get("user")
    return Template(
        "problem.html",
        context={
            "problem": problem,
            "signs_in": signs_in,
            "sign_in": sign_in,
            "signed_in": who is not None,
            "organizations": sorted(who.organizations) if who is not None else [],
            "again": again,
        },
        status_code=problem.status,
        headers=headers,
    )
