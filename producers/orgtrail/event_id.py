"""Ids of new events: UUIDv7 (RFC 9562, section 5.7), different in every process and thread."""

from __future__ import annotations

import os
import threading

from uuid_utils import UUID, reseed_rng, uuid7


class _Seed(threading.local):
    pid = 0


_seed = _Seed()


def new_event_id() -> UUID:
    """A UUIDv7 of this moment."""
    # uuid_utils seeds its generator anew after os.fork. A server that forks in C (uWSGI) tells
    # nobody, and then all its workers would make the same ids, in the same milliseconds.
    pid = os.getpid()
    if _seed.pid != pid:
        reseed_rng()
        _seed.pid = pid
    return uuid7()
