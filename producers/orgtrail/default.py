"""The process-wide producer. It is created from the environment on first use."""

from __future__ import annotations

from typing import Any

from orgtrail.producer import AuditProducer

# A dictionary for its atomic setdefault: threads that race to create the producer share one.
_producers: dict[str, AuditProducer] = {}


def get_producer() -> AuditProducer:
    """Return the process-wide producer. Each forked process has its own thread and file.

    Raises:
        SettingsError: a setting is invalid.
    """
    producer = _producers.get("default")
    if producer is None:
        producer = _producers.setdefault("default", AuditProducer())
    return producer


def set_producer(producer: AuditProducer | None) -> None:
    """Set the process-wide producer. ``None`` resets it: the next use creates a new one."""
    if producer is None:
        _producers.pop("default", None)
    else:
        _producers["default"] = producer


def emit(event: str, **details: Any) -> str:
    """Call ``AuditProducer.emit`` on the process-wide producer."""
    return get_producer().emit(event, **details)
