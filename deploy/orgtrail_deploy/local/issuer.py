"""The local stack's own token issuer, with a key pair in the stack's folder."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

import msgspec
from joserfc import jwt
from joserfc.jwk import ECKey

from orgtrail_deploy.errors import StackError
from orgtrail_deploy.local.secrets import write_private
from orgtrail_query_service.auth.tickets import Ticket, ticket_file

ISSUER = "urn:orgtrail:local"
AUDIENCE = "orgtrail"
ALGORITHM = "ES256"
ADMINISTRATOR = "admin@acme.example"


def jwks_file(root: Path) -> Path:
    """The path of the issuer's public key set."""
    return root / "jwks.json"


def ensure_issuer(root: Path) -> None:
    """Create the key pair if it does not exist."""
    private = root / "issuer.json"
    if not private.exists():
        key = ECKey.generate_key("P-256", {"use": "sig", "alg": ALGORITHM})
        key.ensure_kid()
        public = {"keys": [key.as_dict(private=False)]}
        write_private(jwks_file(root), msgspec.json.encode(public))
        write_private(private, msgspec.json.encode(key.as_dict(private=True)))


def make_token(
    root: Path,
    organizations: Sequence[str],
    now: datetime,
    *,
    lasts: timedelta = timedelta(hours=12),
    role: str = "admin",
    subject: str = ADMINISTRATOR,
) -> str:
    """Issue a token for a subject who has the role in each of the organizations.

    Raises:
        StackError: the folder contains no issuer key.
    """
    try:
        key = ECKey.import_key(msgspec.json.decode((root / "issuer.json").read_bytes()))
    except OSError as error:
        raise StackError(f"there is no stack in {root}: run make up first") from error
    claims = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": subject,
        "iat": int(now.timestamp()),
        "exp": int((now + lasts).timestamp()),
        "org_roles": {org: [role] for org in organizations},
    }
    header = {"alg": ALGORITHM, "kid": key.kid}
    return str(jwt.encode(header, claims, key, algorithms=[ALGORITHM]))


def sign_in_folder(root: Path) -> Path:
    """The folder of the tickets for one-time sign-in links."""
    return root / "sign-in"


def make_sign_in_code(root: Path, organizations: Sequence[str], now: datetime) -> str:
    """Create a ticket, and return the code for its sign-in link. It works once, within an hour."""
    folder = sign_in_folder(root)
    folder.mkdir(mode=0o700, exist_ok=True)
    code = secrets.token_urlsafe(24)
    ticket = Ticket(ADMINISTRATOR, list(organizations), now + timedelta(hours=1))
    write_private(ticket_file(folder, code), msgspec.json.encode(ticket))
    return code
