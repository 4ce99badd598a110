"""Events as the SDK makes them, at a time that stands still."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Any

from orgtrail import Actor
from orgtrail.build import build_event

NOW = datetime(2026, 11, 23, 12, 0, 0, 123000, UTC)
ALICE = Actor(id="u-1", email="alice@acme.example")


def build(event: str = "user.login", **changed: Any) -> list[dict[str, Any]]:
    """The records of one event of Alice in acme, with other arguments of ``emit``."""
    given = {
        "org_id": "acme",
        "actor": ALICE,
        "event_id": uuid.UUID(int=(int(NOW.timestamp() * 1000) << 80) | (7 << 76) | (2 << 62)),
        "now": NOW,
    }
    return build_event(event, **(given | changed))
