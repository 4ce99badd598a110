"""Passes the request's scope to Celery tasks: call ``orgtrail.celery.init(app)`` once.

The scope is sent in the headers of each task, including retries, chains, groups and chords. A task
that was sent outside of a scope, such as a task of ``beat``, has no scope.
"""

from __future__ import annotations

from typing import Any

from celery import Celery, signals

from orgtrail.request import carrier
from orgtrail.scope import current, enter, leave

_TOKEN = "orgtrail_token"  # noqa: S105 - an attribute name for a ContextVar token


def init(app: Celery) -> None:  # noqa: ARG001
    """Send scopes with the tasks of ``app``. Call this where ``app`` is created.

    Celery's signals are process-wide, so this applies to every Celery application in the process.
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
        return  # An eager task runs inside the caller's scope already.
    setattr(request, _TOKEN, enter(carrier.load(carried)))


def _end(task: Any = None, **_more: Any) -> None:
    token = task.request.__dict__.pop(_TOKEN, None)
    if token is not None:
        leave(token)
