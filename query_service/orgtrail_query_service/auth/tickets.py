"""One-time sign-in links of the local stack: a file that is consumed by being removed."""

from __future__ import annotations

import hashlib
import os
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from orgtrail_query_service.auth.administrator import Administrator


class Ticket(msgspec.Struct, frozen=True):
    """What a link grants, until when (UTC)."""

    subject: str
    organizations: list[str]
    expires_at: datetime


def ticket_file(folder: Path, code: str) -> Path:
    """Where the ticket of a code lies; the folder holds no code itself."""
    return folder / f"{hashlib.sha256(code.encode()).hexdigest()}.json"


def consume(folder: Path, code: str, now: datetime) -> Administrator | None:
    """Who the code signs in; ``None`` when it was used, has expired or never was."""
    file = ticket_file(folder, code)
    claimed = file.with_suffix(f".{os.getpid()}.used")
    try:
        # A rename succeeds once, whichever worker is asked.
        file.rename(claimed)
        ticket = msgspec.json.decode(claimed.read_bytes(), type=Ticket)
        claimed.unlink()
    except (OSError, msgspec.DecodeError):
        return None
    if ticket.expires_at.astimezone(UTC) < now:
        return None
    return Administrator(ticket.subject, tuple(ticket.organizations))
