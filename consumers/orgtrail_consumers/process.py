"""Prepares the worker process: memory, logs, and a shutdown that is bounded in time."""

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
from structlog.typing import EventDict, Processor

from orgtrail_consumers.errors import describe

log = structlog.get_logger("orgtrail.consumer")

STOP_WITHIN_S = 10.0
"""Seconds that an orderly shutdown may take. Docker kills after 10, Kubernetes after 30."""

_M_ARENA_MAX = -8
_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
_REPEAT_AFTER_S = 10.0


def prepare_process() -> None:
    """Configure process-wide state. Call this once, before any thread starts."""
    _configure_logs()
    _tune_memory()


class Worker(faust.Worker):
    """Faust's worker with a bounded shutdown. Faust waits forever for an unreachable Kafka."""

    def __init__(self, app: faust.App) -> None:
        """Without Faust's own logs, and without its spinner, which writes escape codes."""
        super().__init__(
            app, loglevel="warning", redirect_stdouts=False, quiet=True, override_logging=False
        )
        self.spinner = None

    async def stop(self) -> None:
        """Stop. After ``STOP_WITHIN_S`` seconds the process exits with status 1 in any case.

        Nothing is lost then, because records that are not acknowledged are not committed.
        """
        timer = threading.Timer(STOP_WITHIN_S, _exit)
        timer.daemon = True
        timer.start()
        await super().stop()


def _exit() -> None:
    log.warning("shutdown_timed_out", seconds=STOP_WITHIN_S)
    os._exit(1)


def _tune_memory() -> None:
    # Measured in docs/benchmarks.md, "Where memory goes". Records are freed by reference
    # counting; cycle detection cost 25 % of the CPU.
    gc.collect()
    gc.freeze()
    gc.set_threshold(200_000, 20, 50)
    # Batches are allocated in one thread and freed in another. Per-thread heaps and Arrow's own
    # memory pool would each keep as much memory as the largest batch that they ever held.
    pa.set_memory_pool(pa.system_memory_pool())
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_ARENA_MAX, 1)
        # Setting the thresholds stops glibc from raising them. What is freed then returns to the
        # operating system soon, but not each column by itself, which costs more than its rows.
        mallopt(_M_MMAP_THRESHOLD, 1 << 18)
        mallopt(_M_TRIM_THRESHOLD, 1 << 20)


class _Repeated(logging.Filter):
    """Passes each message at most once in ten seconds: Kafka's client repeats it in an outage."""

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
    """Configure structured logs: one JSON object per line on standard error, and nothing else.

    Lines of other libraries, warnings and errors that nobody caught have the same form.
    """
    begin: list[Processor] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[*begin, structlog.processors.JSONRenderer()],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    # Stamina's own log line repeats the error message, which may hold event data (errors.py).
    stamina.instrumentation.set_on_retry_hooks([])
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(_Repeated())
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *begin],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                _tell_error,
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.captureWarnings(capture=True)
    sys.excepthook = lambda _kind, error, _trace: _tell_uncaught(error)
    threading.excepthook = lambda given: _tell_uncaught(given.exc_value)


def _tell_error(_logger: object, _name: str, entry: EventDict) -> EventDict:
    info = entry.pop("exc_info", None)
    if isinstance(info, tuple) and info[1] is not None:
        entry["error"] = describe(info[1])
    return entry


def _tell_uncaught(error: BaseException | None) -> None:
    if error is not None and not isinstance(error, KeyboardInterrupt):
        log.error("uncaught", error=describe(error))
