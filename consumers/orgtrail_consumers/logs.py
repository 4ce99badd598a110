"""Structured logs of the consumer, one JSON object a line on standard error."""

from __future__ import annotations

import logging
import sys

import stamina.instrumentation
import structlog


class _NotAgain(logging.Filter):
    """Passes a message once in ten seconds: in an outage Kafka's client repeats it all the time."""

    def __init__(self, seconds: float = 10) -> None:
        super().__init__()
        self._seconds = seconds
        self._last: dict[tuple[str, str], float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        key = (record.name, str(record.msg))
        if record.created - self._last.get(key, 0) < self._seconds:
            return False
        self._last[key] = record.created
        return True


def configure_logs() -> None:
    """Set up structlog, and the standard library's loggers behind it."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(),
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    # Its own line repeats the error's text, which may hold data of an event (failure.py).
    stamina.instrumentation.set_on_retry_hooks([])
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    for handler in logging.getLogger().handlers:
        handler.addFilter(_NotAgain())
