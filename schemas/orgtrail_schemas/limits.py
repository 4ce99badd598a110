"""The limits of an event, in one place. The SDK repairs or rejects events that exceed them.

Lengths are in characters (Unicode code points). Times are relative to the clock of the process
that checks.
"""

from __future__ import annotations

import re
from datetime import timedelta

TEXT_LENGTH = 4_096
"""Maximum length of a string in an actor, a target, a change or the context."""

LIST_LENGTH = 1_000
"""Maximum number of targets or changes of one event, and of organizations in one call."""

METADATA_KEYS = 50
METADATA_KEY_LENGTH = 64
METADATA_VALUE_LENGTH = 1_024

EVENT_LENGTH = 128
EVENT_KEY = re.compile(r"[a-z0-9]+([._-][a-z0-9]+)*")
"""The pattern that a whole event key must match before the SDK sends it."""

ORG_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:@-]{0,127}")
"""The pattern that a whole ``org_id`` must match before the SDK sends it."""

ORG_ID_RULE = "must be 1 to 128 letters, digits or . _ : @ -, beginning with a letter or digit"

RETENTION = timedelta(days=90)
"""How long an event is kept, counted from when it occurred.

The TTLs in migrations 0001 to 0003 repeat it; a test compares them.
"""

RETENTION_DAYS = RETENTION.days

CLOCK_SKEW = timedelta(minutes=5)
"""How far an event's time may be ahead of the clock that checks it: clocks differ."""

READ_AHEAD = CLOCK_SKEW + timedelta(minutes=1)
"""How far ahead of the clock an open-ended read looks, so that it includes such events."""

MAX_MESSAGE_BYTES = 1_048_588
"""Kafka's default limit of a message, and that of our topics."""

MAX_EVENT_BYTES = 900_000
"""Maximum size of an encoded event: the default limit of a topic, less room for headers."""

REPAIRED_KEY = "orgtrail.repaired"
"""The metadata key that lists what the SDK repaired, such as ``context.user_agent: cut``."""

ADDRESS_KEY = "orgtrail.ip"
"""The metadata key that keeps a value sent as an IP address that is not one."""
