"""For serverless functions that are frozen between invocations, such as AWS Lambda.

A frozen process sends nothing, so the handler's events are delivered before it returns::

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
    """Decorate a handler to wait at its end until Kafka has acknowledged its events.

    It waits for at most ``seconds``. Events that are not acknowledged by then stay in the spool
    and are sent at the next invocation of this instance. They are lost if the instance is
    discarded, unless the spool folder is on a file system that outlives the instance. ``producer``
    defaults to the process-wide producer.
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
