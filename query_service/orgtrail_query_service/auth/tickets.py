"""One-time sign-in links of the local stack: files that are removed when they are used."""

from __future__ import annotations

import hashlib
import os
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from orgtrail_query_service.auth.administrator import Administrator
from orgtrail_schemas.reading import read_json


class Ticket(msgspec.Struct, frozen=True):
    """What a link grants, and until when (UTC)."""

    subject: str
    organizations: list[str]
    expires_at: datetime


def ticket_file(folder: Path, code: str) -> Path:
    """The ticket file of a code. Its name is a digest: the folder does not contain codes."""
    return folder / f"{hashlib.sha256(code.encode()).hexdigest()}.json"


def consume(folder: Path, code: str, now: datetime) -> Administrator | None:
    """The administrator of a code; ``None`` if it was used, has expired or does not exist."""
    file = ticket_file(folder, code)
    claimed = file.with_suffix(f".{os.getpid()}.used")
    try:
        # Only one worker's rename succeeds.
        file.rename(claimed)
        ticket = read_json(claimed.read_bytes(), Ticket)
        claimed.unlink()
    except (OSError, msgspec.DecodeError):
        return None
    if ticket.expires_at.astimezone(UTC) < now:
        return None
    return Administrator(ticket.subject, tuple(ticket.organizations))
