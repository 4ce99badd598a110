"""Why a record was set aside instead of stored: the dead letters' ``reason``."""

from __future__ import annotations

from typing import Literal, get_args

Reason = Literal[
    "empty_value",
    "unknown_framing",
    "unknown_schema",
    "malformed",
    "missing_organization",
    "invalid_event_id",
    "missing_event",
    "implausible_time",
]

REASONS: tuple[Reason, ...] = get_args(Reason)

EXPLAINED: dict[Reason, str] = {
    "empty_value": "The record has no value.",
    "unknown_framing": "The value begins like no framing that the consumer knows.",
    "unknown_schema": "It was written with a schema that the consumer has not learned yet.",
    "malformed": "The bytes are no datum of the schema that they name.",
    "missing_organization": "It names no organization.",
    "invalid_event_id": "Its event id is no UUID.",
    "missing_event": "It names no event.",
    "implausible_time": "It happened over 5 minutes after or over 90 days before it was received.",
}
