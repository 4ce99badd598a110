"""What one organization may use at once, so that it cannot slow another.

ClickHouse limits the queries and their time for each organization, too: the quotas in
``access.toml`` are keyed by it.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field

from orgtrail_query_service.problems import too_many, too_many_exports

_WAIT_S = 10


@dataclass
class Bounds:
    """Counts what runs for each organization, in one process.

    An export ends when ClickHouse sends nothing for ``silence_s`` seconds.
    """

    reads_at_once: int = 8
    exports_at_once: int = 4
    silence_s: float = 120
    _reads: dict[str, asyncio.Semaphore] = field(default_factory=dict)
    _users: Counter[str] = field(default_factory=Counter)
    _exports: Counter[str] = field(default_factory=Counter)

    @asynccontextmanager
    async def read(self, org: str) -> AsyncIterator[None]:
        """Hold one of the organization's places for a query; wait for it up to 10 seconds.

        Raises:
            Problem: none became free.
        """
        places = self._reads.setdefault(org, asyncio.Semaphore(self.reads_at_once))
        self._users[org] += 1
        try:
            try:
                async with asyncio.timeout(_WAIT_S):
                    await places.acquire()
            except TimeoutError:
                raise too_many(_WAIT_S) from None
            try:
                yield
            finally:
                places.release()
        finally:
            self._users[org] -= 1
            if not self._users[org]:
                del self._users[org], self._reads[org]

    @contextmanager
    def export(self, org: str) -> Iterator[None]:
        """Hold one of the organization's places for an export.

        Raises:
            Problem: all are taken.
        """
        if self._exports[org] >= self.exports_at_once:
            raise too_many_exports(self.exports_at_once)
        self._exports[org] += 1
        try:
            yield
        finally:
            self._exports[org] -= 1
            if not self._exports[org]:
                del self._exports[org]
