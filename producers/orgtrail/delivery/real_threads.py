"""Threads and locks of the operating system, also where gevent or eventlet replaced Python's.

The sender waits inside librdkafka, which knows no greenlets: as a greenlet it would stop the whole
service. In a thread of its own it stops nobody.
"""

from __future__ import annotations

import _thread
import sys
from enum import Enum
from typing import Any


def original(name: str) -> Any:
    """A function of ``_thread`` as it was before any monkey patch."""
    gevent = sys.modules.get("gevent.monkey")
    if gevent is not None:
        return gevent.get_original("_thread", name)
    eventlet = sys.modules.get("eventlet.patcher")
    if eventlet is not None:
        return getattr(eventlet.original("_thread"), name)
    return getattr(_thread, name)


def pause(seconds: float) -> None:
    """Stop this very thread for a while, greenlets or not."""
    lock = original("allocate_lock")()
    lock.acquire()
    lock.acquire(timeout=seconds)


class Threads(Enum):
    """Whether this process can have threads."""

    YES = "yes"
    NO = "no"
    AFTER_FORK = "after a fork"


def threads() -> Threads:
    """Whether threads can be started here and now.

    uWSGI without ``--enable-threads`` runs none. Its master must not have one when it forks: the
    child would wait for an interpreter lock that a thread of the parent held, for ever, since uWSGI
    forks without telling Python.
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
