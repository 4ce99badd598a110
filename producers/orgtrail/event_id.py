"""Event ids: UUIDv7 (RFC 9562, section 5.7), unique across processes and threads."""

from __future__ import annotations

import os
import threading

from uuid_utils import UUID, reseed_rng, uuid7


class _Seed(threading.local):
    pid = 0


_seed = _Seed()


def new_event_id() -> UUID:
    """Return a UUIDv7 for the current time."""
    # uuid_utils reseeds its generator after os.fork. A server that forks in C (uWSGI) runs no
    # fork hooks, so its workers would all generate the same ids in the same milliseconds.
    pid = os.getpid()
    if _seed.pid != pid:
        reseed_rng()
        _seed.pid = pid
    return uuid7()
