"""Verifies signed tokens (JWT), and reads the administrator from their claims."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from joserfc import jws, jwt
from joserfc.errors import JoseError

from orgtrail_query_service.auth.administrator import Administrator
from orgtrail_query_service.auth.keys import FindKeys
from orgtrail_query_service.problems import unauthenticated
from orgtrail_query_service.settings import QuerySettings
from orgtrail_schemas.catalogue import UNASSIGNED_ORG
from orgtrail_schemas.limits import ORG_ID

_MAX_LENGTH = 16_384


class TokenVerifier:
    """Verifies the tokens (RFC 7519, RFC 8725) of one issuer."""

    def __init__(self, settings: QuerySettings, find_keys: FindKeys) -> None:
        self._settings = settings
        self._find_keys = find_keys

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
        """The administrator that verified claims describe.

        The claim that ``claim_org_roles`` names is a map of an organization to a role or a list of
        roles, or a list of ``organization:role``. A role counts only for its organization, and
        any other shape grants nothing. A token whose subject is its own client belongs to a script
        (RFC 9068, section 2.2).
        """
        role, bound = self._settings.admin_role, claims.get(self._settings.claim_org_roles)
        organizations: list[str] = []
        if isinstance(bound, dict):
            organizations = [
                org
                for org, roles in bound.items()
                if role in (roles if isinstance(roles, list) else [roles])
            ]
        elif isinstance(bound, list):
            pairs = (item.rpartition(":") for item in bound if isinstance(item, str))
            organizations = [org for org, _, held in pairs if held == role and org]
        # Events without an organization are not for administrators. And reading an organization
        # whose ID the SDK rejects could not be recorded.
        organizations = [
            org for org in organizations if org != UNASSIGNED_ORG and ORG_ID.fullmatch(org)
        ]
        subject = str(claims["sub"])
        script = subject in (claims.get("client_id"), claims.get("azp"))
        return Administrator(
            subject,
            tuple(organizations),
            email=_text(claims.get("email")),
            name=_text(claims.get("name")),
            type="service_account" if script else "user",
        )


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
