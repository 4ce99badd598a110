"""The limits of an event, in one place: the SDK repairs or refuses by them.

Lengths are in characters (Unicode code points), times are durations against the clock of whoever
checks.
"""

from __future__ import annotations

import re
from datetime import timedelta

TEXT_LENGTH = 4_096
"""The longest text of an actor, a target, a change or the context."""

LIST_LENGTH = 1_000
"""How many targets or changes one event has at most, and how many organizations one call."""

METADATA_KEYS = 50
METADATA_KEY_LENGTH = 64
METADATA_VALUE_LENGTH = 1_024

EVENT_LENGTH = 128
EVENT_KEY = re.compile(r"[a-z0-9]+([._-][a-z0-9]+)*")
"""What an event key that the SDK sends looks like, whole."""

ORG_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:@-]{0,127}")
"""What an ``org_id`` that the SDK sends looks like, whole."""

ORG_ID_RULE = "must be 1 to 128 letters, digits or . _ : @ -, beginning with a letter or digit"

AHEAD = timedelta(minutes=5)
"""How far ahead of the clock an event may have happened."""

BEHIND = timedelta(days=90)
"""How far behind the clock an event may have happened: the retention."""

MAX_EVENT_BYTES = 900_000
"""The largest encoded event: what a topic takes by default, less room for its headers."""

REPAIRED_KEY = "orgtrail.repaired"
"""The metadata key that lists what the SDK repaired, such as ``context.user_agent: cut``."""

ADDRESS_KEY = "orgtrail.ip"
"""The metadata key that keeps what was sent as an address and is none."""
