"""Threads and locks of the operating system, also where gevent or eventlet replaced Python's.

The sender waits inside librdkafka, which knows no greenlets: as a greenlet it would stop the whole
service. In a thread of its own it stops nobody.
"""

from __future__ import annotations

import _thread
import sys
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


def threads_can_start() -> bool:
    """Whether this process can have threads at all: uWSGI without ``--enable-threads`` has none."""
    uwsgi = sys.modules.get("uwsgi")
    return uwsgi is None or bool(uwsgi.opt.get("enable-threads") or uwsgi.opt.get("threads"))
