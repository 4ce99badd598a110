"""Everything that the SDK raises."""

from __future__ import annotations

from orgtrail_schemas import settings


class AuditError(Exception):
    """The base of the SDK's errors."""


class InvalidEventError(AuditError, ValueError):
    """The event was refused at the call; nothing was sent. ``field`` names what is wrong."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}")
        self.field = field


class SettingsError(AuditError, settings.SettingsError):
    """A setting is missing or has a value that cannot be used."""


class BufferFullError(AuditError):
    """The bound of what may wait in memory is reached, because Kafka does not take events.

    The event was not taken: the caller decides whether the action may go on without its record.
    """


class SpoolFullError(AuditError):
    """The bound of what may wait on disk is reached. The event was not taken."""


class UndeliveredError(AuditError):
    """The producer was closed with ``count`` events in memory that Kafka never acknowledged."""

    def __init__(self, count: int) -> None:
        super().__init__(
            f"{count} events were not delivered and are lost: they waited in memory"
            " (set ORGTRAIL_SPOOL_DIR to a folder that survives the process)"
        )
        self.count = count


class UnconfirmedError(AuditError):
    """An event was taken but is neither acknowledged nor on disk within the time that was given.

    It still waits and is delivered later; emit it again with the same ``event_id`` if in doubt.
    """


class UnreachableError(AuditError):
    """Kafka, or the topic, cannot be used; the message names the broker and the reason."""
