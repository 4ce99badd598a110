"""A Faust worker that ends when it is told to, whatever it is connected to."""

from __future__ import annotations

import os
import threading

import faust
import structlog

log = structlog.get_logger("orgtrail.consumer")

STOP_WITHIN_S = 10.0
"""Seconds that an orderly stop may take. Docker and Kubernetes kill after 10 and 30."""


class Worker(faust.Worker):
    """Its orderly stop is bounded: Faust's waits without end for a Kafka that does not answer."""

    async def stop(self) -> None:
        """Stop; after ``STOP_WITHIN_S`` the process ends with status 1, wherever it is.

        Nothing is lost by that: what was not acknowledged was not committed.
        """
        cut_short = threading.Timer(STOP_WITHIN_S, _end)
        cut_short.daemon = True
        cut_short.start()
        await super().stop()


def _end() -> None:
    log.warning("stop_cut_short", seconds=STOP_WITHIN_S)
    os._exit(1)
