"""Sign-in and sign-out in a browser, with OpenID Connect (authorization code with PKCE)."""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta

from litestar import get, post
from litestar.response import Redirect, Template
from litestar.types import ControllerRouterHandler

from orgtrail_query_service.auth.redirects import own_path
from orgtrail_query_service.auth.session import begin_session
from orgtrail_query_service.auth.tickets import consume
from orgtrail_query_service.parts import AnyRequest, Parts
from orgtrail_query_service.problems import Problem, not_found, unauthenticated
from orgtrail_query_service.settings import QuerySettings

_KEY = "sign_in"
_WITHIN = timedelta(minutes=15)


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
    attempt = {name: secrets.token_urlsafe(32) for name in ("state", "nonce", "verifier")}
    address = await parts.provider.sign_in_address(**attempt)
    request.set_session(
        {
            _KEY: {
                **attempt,
                "next": own_path(request.query_params.get("next", "/")),
                "until": (parts.now() + _WITHIN).isoformat(),
            }
        }
    )
    return Redirect(address, status_code=303)


@get("/sign-in/callback", include_in_schema=False)
async def finish(request: AnyRequest, parts: Parts) -> Redirect:
    """Finish a sign-in with what the provider sent back."""
    given = request.query_params
    attempt = _attempt(request, parts.now())
    # Codes and states are single-use: forget the attempt, whatever its result.
    request.clear_session()
    state, issuer = given.get("state", ""), given.get("iss")
    if attempt is None or not secrets.compare_digest(
        state.encode(), str(attempt["state"]).encode()
    ):
        raise unauthenticated("This sign-in was started in another browser, or took too long.")
    # RFC 9207: reject an answer that names another issuer.
    promised = (await parts.provider.metadata()).get(
        "authorization_response_iss_parameter_supported"
    )
    if issuer != parts.settings.jwt_issuer and (issuer is not None or promised):
        raise unauthenticated("The answer is from another identity provider.")
    if "code" not in given:
        raise unauthenticated("The identity provider did not sign you in.")
    id_token, user_info = await parts.provider.exchange(given["code"], attempt["verifier"])
    claims = await parts.tokens.claims(id_token, parts.settings.oidc_client_id or "", parts.now())
    if claims.get("nonce") != attempt["nonce"]:
        raise unauthenticated("The sign-in could not be completed; try again.")
    if parts.settings.claim_org_roles not in claims:
        more = await user_info()
        # OpenID Connect Core 1.0, section 5.3.2: the subjects must be equal.
        if more.get("sub") == claims["sub"]:
            claims = more | claims
    administrator = parts.tokens.from_claims(claims)
    begin_session(request, administrator, parts.now(), parts.settings.session_hours)
    return Redirect(attempt["next"], status_code=303)


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
    return Redirect("/", status_code=303)


@post("/sign-out", status_code=200, include_in_schema=False)
async def sign_out(request: AnyRequest) -> Template:
    """End the browser's session. The form contains a token against forged requests."""
    request.clear_session()
    return Template("signed_out.html", context={"signed_out": True})


def _attempt(request: AnyRequest, now: datetime) -> dict[str, str] | None:
    attempt = (request.session or {}).get(_KEY)
    if attempt is None or datetime.fromisoformat(attempt["until"]) <= now:
        return None
    return dict(attempt)
