"""Structured logs of the consumer, one JSON object a line on standard error."""

from __future__ import annotations

import logging
import sys

import stamina.instrumentation
import structlog


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
