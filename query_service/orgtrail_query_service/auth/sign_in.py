"""Sign-in and sign-out in a browser, with OpenID Connect (authorization code with PKCE)."""

from __future__ import annotations

from collections.abc import Mapping

from litestar import get, post
from litestar.response import Redirect, Template
from litestar.types import ControllerRouterHandler

from orgtrail_query_service.auth.administrator import Administrator
from orgtrail_query_service.auth.attempts import Attempt, Attempts
from orgtrail_query_service.auth.redirects import own_path
from orgtrail_query_service.auth.session import begin_session
from orgtrail_query_service.auth.tickets import consume
from orgtrail_query_service.parts import AnyRequest, Parts
from orgtrail_query_service.problems import Problem, not_found, unauthenticated
from orgtrail_query_service.settings import QuerySettings


def sign_in_routes(settings: QuerySettings) -> list[ControllerRouterHandler]:
    """The configured routes. Without any, only bearer tokens work."""
    return [
        sign_out,
        *([begin, finish] if settings.oidc_client_id is not None else []),
        *([with_ticket] if settings.sign_in_dir is not None else []),
    ]


@get("/sign-in", include_in_schema=False)
async def begin(request: AnyRequest, parts: Parts) -> Redirect:
    """Redirect to the provider; ``next`` is where the browser returns to afterwards."""
    home = f"{parts.settings.path_prefix}/"
    attempts = Attempts(parts.settings)
    attempt = attempts.new(own_path(request.query_params.get("next", home)), home, parts.now())
    address = await parts.provider.sign_in_address(
        state=attempt.state, nonce=attempt.nonce, verifier=attempt.verifier
    )
    return Redirect(
        address, status_code=303, cookies=attempts.cookies(attempt, request.cookies, parts.now())
    )


@get("/sign-in/callback", include_in_schema=False)
async def finish(request: AnyRequest, parts: Parts) -> Redirect:
    """Finish a sign-in with what the provider sent back."""
    attempts = Attempts(parts.settings)
    state = request.query_params.get("state", "")
    attempt = attempts.find(state, request.cookies, parts.now())
    if attempt is None:
        raise unauthenticated("This sign-in was started in another browser, or took too long.")
    # Codes and states are single-use: forget the attempt, whatever its result.
    over = attempts.over(state)
    try:
        administrator = await _administrator(attempt, request.query_params, parts)
        begin_session(request, administrator, parts.now(), parts.settings.session_hours)
    except Problem as problem:
        problem.headers = (*problem.headers, ("Set-Cookie", over.to_header(header="")))
        raise
    return Redirect(attempt.next, status_code=303, cookies=[over])


async def _administrator(attempt: Attempt, given: Mapping[str, str], parts: Parts) -> Administrator:
    issuer = given.get("iss")
    # RFC 9207: reject an answer that names another issuer.
    promised = (await parts.provider.metadata()).get(
        "authorization_response_iss_parameter_supported"
    )
    if issuer != parts.settings.jwt_issuer and (issuer is not None or promised):
        raise unauthenticated("The answer is from another identity provider.")
    if "code" not in given:
        raise unauthenticated("The identity provider did not sign you in.")
    id_token, user_info = await parts.provider.exchange(given["code"], attempt.verifier)
    claims = await parts.tokens.claims(id_token, parts.settings.oidc_client_id or "", parts.now())
    if claims.get("nonce") != attempt.nonce:
        raise unauthenticated("The sign-in could not be completed; try again.")
    if not parts.tokens.has_roles(claims):
        more = await user_info()
        # OpenID Connect Core 1.0, section 5.3.2: the subjects must be equal.
        if more.get("sub") == claims["sub"]:
            both = more | claims
            claims = both if parts.tokens.has_roles(both) else claims | more
    return parts.tokens.from_claims(claims)


@get("/sign-in/{code:str}", include_in_schema=False)
async def with_ticket(request: AnyRequest, parts: Parts, code: str) -> Redirect:
    """Sign in with a one-time link of the local stack, from this machine only."""
    folder = parts.settings.sign_in_dir
    client = request.client.host if request.client else ""
    if (
        folder is None
        or client not in ("127.0.0.1", "::1")
        or "forwarded" in request.headers
        or ("x-forwarded-for" in request.headers)
    ):
        raise not_found()
    administrator = consume(folder, code, parts.now())
    if administrator is None:
        raise Problem(
            "unauthenticated",
            401,
            "This sign-in link no longer works",
            "It works once, within an hour. Run orgtrail sign-in for a new one.",
        )
    begin_session(request, administrator, parts.now(), parts.settings.session_hours)
    return Redirect(f"{parts.settings.path_prefix}/", status_code=303)


@post("/sign-out", status_code=200, include_in_schema=False)
async def sign_out(request: AnyRequest) -> Template:
    """End the browser's session. The form contains a token against forged requests."""
    request.clear_session()
    return Template("signed_out.html", context={"signed_out": True})
