"""The reasons why a record is dead-lettered instead of stored (``reason`` of a dead letter)."""

from __future__ import annotations

from typing import Literal, get_args

from orgtrail_schemas.limits import CLOCK_SKEW, RETENTION_DAYS

Reason = Literal[
    "empty_value",
    "unknown_framing",
    "unknown_schema",
    "malformed",
    "missing_organization",
    "invalid_event_id",
    "missing_event",
    "implausible_time",
    "invalid_field",
    "key_mismatch",
    "unprocessable",
    "storage_rejected",
    "skipped",
]

REASONS: tuple[Reason, ...] = get_args(Reason)

EXPLAINED: dict[Reason, str] = {
    "empty_value": "The record has no value.",
    "unknown_framing": "The value has neither Avro single-object nor Confluent framing.",
    "unknown_schema": (
        "The consumer does not know the schema that the record names. Upgrade the consumer or add"
        " the schema, then replay."
    ),
    "malformed": "The payload does not decode with the schema it names.",
    "missing_organization": "The organization ID is missing.",
    "invalid_event_id": "The event ID is not a UUID.",
    "missing_event": "The event key is missing.",
    "implausible_time": (
        f"The event's time is more than {CLOCK_SKEW.seconds // 60} minutes after, or more than"
        f" {RETENTION_DAYS} days before, its receipt."
    ),
    "invalid_field": (
        "A field breaks a rule, such as the vocabulary of outcome. The detail names the field: fix"
        " the service that sends it."
    ),
    "key_mismatch": (
        "The Kafka key is not the organization's ID, and the consumer is told to reject that"
        " (ORGTRAIL_KEY_MISMATCHES)."
    ),
    "unprocessable": (
        "The consumer failed on this record. That is a bug of the consumer: report it, upgrade,"
        " then replay."
    ),
    "storage_rejected": (
        "ClickHouse refuses the row while it accepts others, for example by a constraint that an"
        " operator added. The detail gives ClickHouse's error code. Fix the cause, then replay."
    ),
    "skipped": "An operator told the consumer to skip it (ORGTRAIL_SKIP_OFFSETS).",
}
