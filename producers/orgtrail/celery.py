"""The scope of a request in the Celery tasks that it sends: ``orgtrail.celery.init(app)``, once.

It travels in the headers of each task, through retries, chains, groups and chords. A task that
nobody sent within a scope, such as one of ``beat``, has none.
"""

from __future__ import annotations

from typing import Any

from celery import Celery, signals

from orgtrail.request import carrier
from orgtrail.scope import current, enter, leave

_TOKEN = "orgtrail_token"  # noqa: S105 - where a context token is kept


def init(app: Celery) -> None:  # noqa: ARG001
    """Let scopes travel with the tasks of ``app``; call it where ``app`` is made.

    Celery's signals belong to the process, so its other applications get the same.
    """
    signals.before_task_publish.connect(_send, dispatch_uid="orgtrail.send")
    signals.task_prerun.connect(_begin, dispatch_uid="orgtrail.begin")
    signals.task_postrun.connect(_end, dispatch_uid="orgtrail.end")


def _send(headers: dict[str, Any] | None = None, **_more: Any) -> None:
    scope = current()
    if headers is not None and scope is not None:
        headers[carrier.KEY] = carrier.dump(scope)


def _begin(task: Any = None, **_more: Any) -> None:
    request = task.request
    carried = getattr(request, carrier.KEY, None)
    if carried is None and request.is_eager:
        return  # it runs within the request that called it
    setattr(request, _TOKEN, enter(carrier.load(carried)))


def _end(task: Any = None, **_more: Any) -> None:
    token = task.request.__dict__.pop(_TOKEN, None)
    if token is not None:
        leave(token)
