"""The local stack's secrets: created once, stored in its folder, readable only by the owner."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

import msgspec

from orgtrail_schemas.access import Analyst, passwords_wanted
from orgtrail_schemas.reading import read_json

ANALYST = Analyst("analyst", ("acme", "globex"))
NEW_ANALYST = Analyst("analyst_without_grants")
ANALYSTS = [ANALYST, NEW_ANALYST]


class Secrets(msgspec.Struct, frozen=True):
    """ClickHouse's passwords by user, and the query service's secret."""

    passwords: dict[str, str]
    service: str


def load_secrets(root: Path) -> Secrets:
    """Load the secrets of a stack folder. Those that it lacks are created.

    A folder of an earlier version has no passwords of newer users.
    """
    file = root / "secrets.json"
    known = (
        read_json(file.read_bytes(), Secrets)
        if file.exists()
        else Secrets({}, secrets.token_urlsafe(48))
    )
    names = passwords_wanted() + [analyst.name for analyst in ANALYSTS]
    missing = {name: secrets.token_urlsafe(24) for name in names if name not in known.passwords}
    if missing:
        known = Secrets(known.passwords | missing, known.service)
        write_private(file, msgspec.json.encode(known))
    return known


def write_private(file: Path, data: bytes) -> None:
    """Write a file atomically, readable only by its owner."""
    staged = file.with_suffix(".new")
    staged.unlink(missing_ok=True)
    with os.fdopen(os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
        out.write(data)
    os.replace(staged, file)
