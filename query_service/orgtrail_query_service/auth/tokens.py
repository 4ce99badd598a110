"""Verifies signed tokens (JWT), and reads the administrator from their claims."""

from __future__ import annotations

import warnings
from datetime import datetime
from typing import Any

import structlog
from joserfc import jws, jwt
from joserfc.errors import JoseError

from orgtrail_query_service.auth.administrator import Administrator
from orgtrail_query_service.auth.keys import FindKeys
from orgtrail_query_service.auth.roles import (
    MISSING,
    UnknownShapeError,
    find_claim,
    organizations_with,
)
from orgtrail_query_service.problems import unauthenticated
from orgtrail_query_service.settings import QuerySettings

# The name that most issuers give Ed25519 is deprecated (RFC 9864), which is not for our log.
warnings.filterwarnings("ignore", message="EdDSA is deprecated")

log = structlog.get_logger("orgtrail.query")

# An administrator of a thousand organizations. The HTTP server takes headers of 64 KB.
_MAX_LENGTH = 60_000


class TokenVerifier:
    """Verifies the tokens (RFC 7519, RFC 8725) of one issuer."""

    def __init__(self, settings: QuerySettings, find_keys: FindKeys) -> None:
        self._settings = settings
        self._find_keys = find_keys
        self._roles = {settings.admin_role, settings.auditor_role} - {""}
        self._told: set[str] = set()

    async def verify(self, token: str, now: datetime) -> Administrator:
        """The administrator that a bearer token identifies.

        Raises:
            Problem: it is malformed, expired, not signed by the issuer or not for this audience; or
                the issuer's keys are unknown.
        """
        return self.from_claims(await self.claims(token, self._settings.jwt_audience, now))

    async def claims(self, token: str, audience: str, now: datetime) -> dict[str, Any]:
        """The claims of a token for an audience, after checking its signature and times.

        Raises:
            Problem: as above.
        """
        try:
            if len(token) > _MAX_LENGTH:
                raise ValueError
            kid = jws.extract_compact(token.encode()).headers().get("kid")
            keys = await self._find_keys(kid if isinstance(kid, str) else None)
            # We choose the algorithms, never the token (RFC 8725, section 3.1).
            claims = jwt.decode(token, keys, algorithms=self._settings.jwt_algorithms).claims
            jwt.JWTClaimsRegistry(
                now=int(now.timestamp()),
                leeway=30,
                iss={"essential": True, "value": self._settings.jwt_issuer},
                aud={"essential": True, "value": audience},
                exp={"essential": True},
                sub={"essential": True},
            ).validate(claims)
        except (JoseError, ValueError, TypeError, KeyError):
            raise unauthenticated("The token is not valid, or has expired.") from None
        return dict(claims)

    def from_claims(self, claims: dict[str, Any]) -> Administrator:
        """Who the verified claims describe, and the organizations that they may read.

        ``roles.py`` has the shapes of the claim that ``claim_org_roles`` names; any other shape
        grants nothing and is logged once. A token whose subject is its own client belongs to a
        script (RFC 9068, section 2.2).
        """
        bound = find_claim(claims, self._settings.claim_org_roles)
        try:
            organizations = () if bound is MISSING else organizations_with(bound, self._roles)
        except UnknownShapeError as error:
            organizations = ()
            self._tell_once(str(error))
        subject = str(claims["sub"])
        script = subject in (claims.get("client_id"), claims.get("azp"))
        return Administrator(
            subject,
            organizations,
            email=_text(claims.get("email")),
            name=_text(claims.get("name")),
            type="service_account" if script else "user",
        )

    def has_roles(self, claims: dict[str, Any]) -> bool:
        """Whether the claim with the roles is among these claims."""
        return find_claim(claims, self._settings.claim_org_roles) is not MISSING

    def _tell_once(self, shape: str) -> None:
        if shape not in self._told:
            self._told.add(shape)
            log.warning(
                "roles_not_understood", claim=self._settings.claim_org_roles, has_the_shape=shape
            )


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
