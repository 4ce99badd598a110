"""All exceptions that the SDK raises."""

from __future__ import annotations

from orgtrail_schemas import settings


class AuditError(Exception):
    """The base class of the SDK's exceptions."""


class InvalidEventError(AuditError, ValueError):
    """The arguments are invalid and nothing was sent. ``field`` names the invalid argument."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(field, problem)
        self.field = field
        self.problem = problem

    def __str__(self) -> str:
        return f"{self.field}: {self.problem}"


class SettingsError(AuditError, settings.SettingsError):
    """A setting is missing or invalid."""


class BufferFullError(AuditError):
    """The in-memory buffer is full because Kafka does not accept events.

    The event was not accepted. The caller decides whether the action may continue without an
    audit record.
    """


class SpoolFullError(AuditError):
    """The spool on disk is full, or cannot be written. The event was not accepted."""


class UndeliveredError(AuditError):
    """``count`` events were lost: they were in memory, unacknowledged, when the producer closed."""

    def __init__(self, count: int) -> None:
        super().__init__(count)
        self.count = count

    def __str__(self) -> str:
        return (
            f"{self.count} events were not delivered and are lost because they were held in memory"
            " (set ORGTRAIL_SPOOL_DIR to a folder that outlives the process)"
        )


class UnconfirmedError(AuditError):
    """An accepted event was neither acknowledged nor synced to disk before the timeout.

    The event is still queued for delivery unless the message reports it lost. It is safe to emit
    it again with the same ``event_id``.
    """


class UnreachableError(AuditError):
    """Kafka is unreachable or the topic is unusable. The message names the broker and reason."""
