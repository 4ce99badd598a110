"""What one organization may use at once, so that it cannot slow another.

ClickHouse limits the queries and their time for each organization, too: the quotas in
``access.toml`` are keyed by it.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field

from orgtrail_query_service.problems import too_many, too_many_exports

_WAIT_S = 10


@dataclass
class Bounds:
    """Counts what runs for each organization and for each person, in one process.

    A person who may read many organizations has no more places than one of them. An export ends
    when ClickHouse sends nothing for ``silence_s`` seconds.
    """

    reads_at_once: int = 8
    exports_at_once: int = 4
    silence_s: float = 120
    _reads: dict[str, asyncio.Semaphore] = field(default_factory=dict)
    _users: Counter[str] = field(default_factory=Counter)
    _exports: Counter[str] = field(default_factory=Counter)

    @asynccontextmanager
    async def read(self, org: str, subject: str, seconds: float) -> AsyncIterator[None]:
        """Hold a place for a query; wait for it up to 10 seconds, and up to ``seconds``.

        Raises:
            Problem: none became free.
        """
        async with AsyncExitStack() as stack:
            try:
                async with asyncio.timeout(min(seconds, _WAIT_S)):
                    # In this order everywhere, so that nobody waits for each other.
                    for key in _keys(org, subject):
                        await stack.enter_async_context(self._place(key))
            except TimeoutError:
                raise too_many(_WAIT_S) from None
            yield

    @asynccontextmanager
    async def _place(self, key: str) -> AsyncIterator[None]:
        places = self._reads.setdefault(key, asyncio.Semaphore(self.reads_at_once))
        self._users[key] += 1
        try:
            async with places:
                yield
        finally:
            self._users[key] -= 1
            if not self._users[key]:
                del self._users[key], self._reads[key]

    @contextmanager
    def export(self, org: str, subject: str) -> Iterator[None]:
        """Hold a place for an export.

        Raises:
            Problem: all of the organization or of the person are taken.
        """
        keys = _keys(org, subject)
        if any(self._exports[key] >= self.exports_at_once for key in keys):
            raise too_many_exports(self.exports_at_once)
        self._exports.update(keys)
        try:
            yield
        finally:
            self._exports.subtract(keys)
            # Without entries that are zero.
            self._exports = +self._exports


def _keys(org: str, subject: str) -> tuple[str, str]:
    return f"person {subject}", f"organization {org}"
