"""Who is asking, and which organisations are theirs to read."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from orgtrail_query_service.problems import not_found, unauthenticated
from orgtrail_query_service.settings import QuerySettings


class Administrator(msgspec.Struct, frozen=True):
    """A signed-in person or script. ``organizations`` are those where they administer."""

    subject: str
    organizations: tuple[str, ...]

    def require(self, org: str) -> None:
        """Return when the organisation is theirs.

        Raises:
            Problem: it is not; the same answer as for one that does not exist.
        """
        if org not in self.organizations:
            raise not_found()


class Tokens:
    """Verifies bearer tokens (RFC 7519, RFC 8725) of one issuer."""

    def __init__(self, settings: QuerySettings) -> None:
        """Raises ``OSError`` or ``ValueError`` when the key set cannot be read."""
        self._settings = settings
        self._keys = _key_set(settings.jwks_file)

    def administrator(self, token: str, now: datetime) -> Administrator:
        """Who a token speaks for.

        Raises:
            Problem: it is malformed, not signed by the issuer, expired, or for somebody else.
        """
        s = self._settings
        try:
            # The algorithms are ours to choose, never the token's (RFC 8725, section 3.1).
            claims = jwt.decode(token, self._keys, algorithms=s.jwt_algorithms).claims
            jwt.JWTClaimsRegistry(
                now=int(now.timestamp()),
                iss={"essential": True, "value": s.jwt_issuer},
                aud={"essential": True, "value": s.jwt_audience},
                exp={"essential": True},
                sub={"essential": True},
            ).validate(claims)
        except (JoseError, ValueError, TypeError, KeyError):
            raise unauthenticated("The token is not valid, or has expired.") from None
        return administrator_from_claims(claims, s.claim_org_roles, s.admin_role)


def administrator_from_claims(
    claims: dict[str, Any], org_roles: str, admin_role: str
) -> Administrator:
    """The administrator that claims describe.

    The claim ``org_roles`` maps an organisation to a role or a list of roles: a role counts for
    that organisation alone. Anything of another shape grants nothing.
    """
    bound = claims.get(org_roles)
    organizations = [
        org
        for org, roles in (bound.items() if isinstance(bound, dict) else ())
        if admin_role in (roles if isinstance(roles, list) else [roles])
    ]
    return Administrator(str(claims["sub"]), tuple(organizations))


def _key_set(file: Path) -> KeySet:
    keys = KeySet.import_key_set(msgspec.json.decode(file.read_bytes()))
    # A symmetric key in a public set would let anyone who reads the set sign tokens.
    if any(key.key_type == "oct" for key in keys.keys):
        raise ValueError(f"{file} holds a symmetric key: it must hold public keys only")
    return keys
