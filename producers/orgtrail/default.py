"""The producer of the process, made from the environment at its first use."""

from __future__ import annotations

from typing import Any

from orgtrail.producer import AuditProducer

_made: dict[str, AuditProducer] = {}


def get_producer() -> AuditProducer:
    """The process-wide producer; each process of a fork has its own thread and file.

    Raises:
        SettingsError: a setting cannot be used.
    """
    made = _made.get("default")
    if made is None:
        made = _made.setdefault("default", AuditProducer())
    return made


def set_producer(producer: AuditProducer | None) -> None:
    """Use this producer for the process; ``None``: make one from the environment again."""
    if producer is None:
        _made.pop("default", None)
    else:
        _made["default"] = producer


def emit(event: str, **details: Any) -> str:
    """``AuditProducer.emit`` of the process-wide producer."""
    return get_producer().emit(event, **details)
