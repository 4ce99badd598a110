"""Everything that the SDK raises."""

from __future__ import annotations


class AuditError(Exception):
    """The base of the SDK's errors."""


class InvalidEventError(AuditError, ValueError):
    """The event was refused at the call; nothing was sent. ``field`` names what is wrong."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}")
        self.field = field


class SettingsError(AuditError, ValueError):
    """A setting is missing or has a value that cannot be used."""


class BufferFullError(AuditError):
    """The buffer is full, because Kafka does not take events, and no spool is configured.

    The event was not taken: the caller decides whether the action may go on without its record.
    """


class SpoolFullError(AuditError):
    """The spool has reached its bound, or its disk fails. The event was not taken."""


class UndeliveredError(AuditError):
    """The producer was closed with ``count`` events that Kafka never acknowledged, and no spool."""

    def __init__(self, count: int) -> None:
        super().__init__(f"{count} events were not delivered; configure a spool directory")
        self.count = count
