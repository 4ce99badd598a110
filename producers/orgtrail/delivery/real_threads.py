"""Provides operating-system threads and locks, even if gevent or eventlet has patched Python's.

The sender blocks inside librdkafka, which does not yield to greenlets. As a greenlet it would block
the whole service, so it needs a real thread.
"""

from __future__ import annotations

import _thread
import sys
from enum import Enum
from typing import Any


def original(name: str) -> Any:
    """Return a function of ``_thread`` as it was before monkey patching."""
    gevent = sys.modules.get("gevent.monkey")
    if gevent is not None:
        return gevent.get_original("_thread", name)
    eventlet = sys.modules.get("eventlet.patcher")
    if eventlet is not None:
        return getattr(eventlet.original("_thread"), name)
    return getattr(_thread, name)


def pause(seconds: float) -> None:
    """Block the current operating-system thread, including all its greenlets."""
    lock = original("allocate_lock")()
    lock.acquire()
    lock.acquire(timeout=seconds)


class Threads(Enum):
    """Whether this process can start threads."""

    YES = "yes"
    NO = "no"
    AFTER_FORK = "after a fork"


def threads() -> Threads:
    """Return whether this process can start threads now.

    uWSGI without ``--enable-threads`` does not run threads. Its master must not have a thread when
    it forks. uWSGI forks without running Python's fork hooks, so if a thread of the parent held
    the interpreter lock, the child would wait for it forever.
    """
    uwsgi: Any = sys.modules.get("uwsgi")
    if uwsgi is None:
        return Threads.YES
    options = {_text(name) for name in uwsgi.opt}
    if not options & {"enable-threads", "threads"}:
        return Threads.NO
    if uwsgi.worker_id() == 0 and uwsgi.mule_id() == 0 and "master" in options:
        return Threads.AFTER_FORK
    return Threads.YES


def _text(name: str | bytes) -> str:
    return name.decode() if isinstance(name, bytes) else name
