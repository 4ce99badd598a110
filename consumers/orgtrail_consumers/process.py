"""Prepares a worker's process: memory, logs, and an orderly stop that ends in time."""

from __future__ import annotations

import ctypes
import gc
import logging
import os
import sys
import threading

import faust
import pyarrow as pa
import stamina.instrumentation
import structlog

log = structlog.get_logger("orgtrail.consumer")

STOP_WITHIN_S = 10.0
"""Seconds that an orderly stop may take. Docker kills after 10, Kubernetes after 30."""

_M_ARENA_MAX = -8
_M_MMAP_THRESHOLD = -3
_REPEAT_AFTER_S = 10.0


def prepare_process() -> None:
    """Configure what belongs to the whole process; call once, before any thread starts."""
    _configure_logs()
    _tune_memory()


class Worker(faust.Worker):
    """Faust's worker with a bounded stop: Faust's own waits forever for an unreachable Kafka."""

    async def stop(self) -> None:
        """Stop; after ``STOP_WITHIN_S`` the process ends with status 1, whatever it is doing.

        Nothing is lost by that: what was not acknowledged was not committed.
        """
        timer = threading.Timer(STOP_WITHIN_S, _exit)
        timer.daemon = True
        timer.start()
        await super().stop()


def _exit() -> None:
    log.warning("stop_cut_short", seconds=STOP_WITHIN_S)
    os._exit(1)


def _tune_memory() -> None:
    # Measured in docs/benchmarks.md, "Where memory goes". Records are freed by reference
    # counting; cycle detection cost 25 % of the CPU.
    gc.collect()
    gc.freeze()
    gc.set_threshold(200_000, 20, 50)
    # Batches are made in one thread and freed in another. A heap for each thread, and one of
    # Arrow's own, would each keep the largest batch that they ever held.
    pa.set_memory_pool(pa.system_memory_pool())
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_ARENA_MAX, 1)
        # Fixed, because glibc would raise it: freed columns go back to the system at once.
        mallopt(_M_MMAP_THRESHOLD, 1 << 17)


class _Repeated(logging.Filter):
    """Passes a message once in ten seconds: during an outage Kafka's client repeats it."""

    def __init__(self) -> None:
        super().__init__()
        self._last: dict[tuple[str, str], float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        key = (record.name, str(record.msg))
        if record.created - self._last.get(key, 0) < _REPEAT_AFTER_S:
            return False
        self._last[key] = record.created
        return True


def _configure_logs() -> None:
    """Structured logs, one JSON object per line on standard error."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(),
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    # Stamina's own line repeats the error's text, which may hold data of an event (errors.py).
    stamina.instrumentation.set_on_retry_hooks([])
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    for handler in logging.getLogger().handlers:
        handler.addFilter(_Repeated())
