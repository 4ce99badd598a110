"""For functions that are frozen between invocations, such as those of AWS Lambda.

A frozen process sends nothing. So the handler's events are delivered before its answer is given::

    @audited
    def handler(event, context):
        events.user_login(org_id="acme", actor=...)
        return {"statusCode": 200}
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Any

from orgtrail.default import get_producer
from orgtrail.producer import AuditProducer


def audited(
    handler: Callable[..., Any] | None = None,
    *,
    producer: AuditProducer | None = None,
    seconds: float = 5,
) -> Any:
    """The handler, which waits at its end until Kafka has acknowledged what it emitted.

    It waits for ``seconds`` at most. What Kafka has not taken by then stays in the spool, and is
    sent with the next invocation of this instance; an instance that is thrown away takes it along,
    so give the spool a folder on a file system that outlives it if that matters. ``producer`` is
    the process-wide one when not given.
    """

    def decorate(handler: Callable[..., Any]) -> Callable[..., Any]:
        def finish() -> None:
            (producer or get_producer()).flush(seconds)

        if inspect.iscoroutinefunction(handler):

            @wraps(handler)
            async def run_async(*arguments: Any, **more: Any) -> Any:
                import asyncio

                try:
                    return await handler(*arguments, **more)
                finally:
                    await asyncio.to_thread(finish)

            return run_async

        @wraps(handler)
        def run(*arguments: Any, **more: Any) -> Any:
            try:
                return handler(*arguments, **more)
            finally:
                finish()

        return run

    return decorate if handler is None else decorate(handler)
