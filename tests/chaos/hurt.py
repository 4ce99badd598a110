"""A consumer that kills itself at a chosen step, or that lacks one of its mechanisms.

``HURT_KILL=step:n`` ends it (SIGKILL) when it comes to that step for the n-th time.
``HURT_WITHOUT`` switches a mechanism off: a test of it must fail then.
"""

from __future__ import annotations

import http.client
import os
import signal
import sys
import time
from collections.abc import Callable
from typing import Any

from orgtrail_consumers import pipeline
from orgtrail_consumers.cli import consume
from orgtrail_consumers.kafka import transport
from orgtrail_consumers.kafka.offsets import OffsetTracker
from orgtrail_consumers.storage.writer import Writer

STEPS = ("fetched", "sending", "acknowledged", "before_commit", "committed")


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class Countdown:
    def __init__(self, times: int) -> None:
        self.left = times

    def __call__(self) -> bool:
        self.left -= 1
        return self.left == 0


def kill_at(step: str, due: Callable[[], bool]) -> None:
    deliver, insert = transport.BatchConsumer._deliver, Writer.insert
    commit, send = transport.BatchConsumer._commit, http.client.HTTPConnection.send

    async def on_deliver(self: Any, tp: Any, fetched: Any) -> None:
        if due():
            die()
        await deliver(self, tp, fetched)

    def on_insert(self: Any, table: str, rows: Any) -> None:
        insert(self, table, rows)
        if table == "events_store" and due():
            die()

    def on_send(self: Any, data: Any) -> None:
        body = bytes(data) if not hasattr(data, "read") else b""
        if b"ARROW1" in body[:64] and due():
            send(self, body[: len(body) // 2])
            die()
        send(self, data)

    async def on_commit(self: Any, offsets: Any) -> bool:
        now = due()
        if now and step == "before_commit":
            die()
        done = await commit(self, offsets)
        if now:
            die()
        return done

    match step:
        case "fetched":
            transport.BatchConsumer._deliver = on_deliver  # type: ignore[method-assign]
        case "sending":
            http.client.HTTPConnection.send = on_send  # type: ignore[method-assign]
        case "acknowledged":
            Writer.insert = on_insert  # type: ignore[method-assign]
        case "before_commit" | "committed":
            transport.BatchConsumer._commit = on_commit  # type: ignore[method-assign]
        case _:
            raise ValueError(step)


def without(mechanism: str) -> None:
    take, until_done = OffsetTracker.pop_committable, pipeline.Pipeline._until_done

    def pop_polled(self: Any, partition: Any) -> int | None:
        stored = take(self, partition)
        return None if stored is None else self._reached[partition] + 1

    insert = Writer.insert

    def slowly(self: Any, table: str, rows: Any) -> None:
        time.sleep(1)
        insert(self, table, rows)

    async def once(self: Any, step: str, current: Any, work: Any) -> Any:
        async def tried() -> Any:
            try:
                return work()
            except pipeline.TRANSIENT_ERRORS:
                return None

        return await until_done(self, step, current, work) if step == "decode" else await tried()

    match mechanism:
        case "commit_after_insert":
            OffsetTracker.pop_committable = pop_polled  # type: ignore[method-assign]
            # Slower than the commit interval: an insert is under way whenever one is made.
            Writer.insert = slowly  # type: ignore[method-assign]
        case "retry":
            pipeline.Pipeline._until_done = once  # type: ignore[method-assign]
        case "stay_in_group":
            transport.BatchConsumer.stay_in_group = _nothing  # type: ignore[method-assign]
        case _:
            raise ValueError(mechanism)


async def _nothing(*_: Any) -> None:
    return None


if __name__ == "__main__":
    if kill := os.environ.get("HURT_KILL"):
        step, times = kill.split(":")
        kill_at(step, Countdown(int(times)))
    if mechanism := os.environ.get("HURT_WITHOUT"):
        without(mechanism)
    sys.exit(consume())
