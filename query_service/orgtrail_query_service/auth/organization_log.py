"""Organizations' logs, opened for their administrators only."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from datetime import datetime
from typing import Any

from orgtrail_query_service.auth.administrator import Administrator
from orgtrail_query_service.auth.bounds import Bounds
from orgtrail_query_service.problems import Problem, too_expensive, unavailable
from orgtrail_query_service.reads.database import Database
from orgtrail_query_service.reads.pages import Watermark
from orgtrail_query_service.reads.statements import Statement, settled_through
from orgtrail_schemas.shards import shard_of

ANSWER_WITHIN_S = 19.0
"""All reads of one request together; less than the 20 seconds that a page may take."""

_STATEMENT_S = 17.0
"""One statement."""

_CLICKHOUSE_STOPS_AFTER_S = 15.0
"""``max_execution_time`` of readers (access.toml): a server that says nothing for longer hangs."""

_CHECK_S = 4.0


class Shard:
    """One ClickHouse server: it has all rows of its organizations."""

    def __init__(self, reader: Database, exporter: Database) -> None:
        self.reader = reader
        self.exporter = exporter
        self.watermark = Watermark()


class OrganizationLog:
    """The log of one organization, for one administrator of it: what every read takes.

    Only ``Logs.open`` makes one (enforced by a test), so a read without a check cannot be written.
    """

    def __init__(
        self,
        org: str,
        subject: str,
        shard: Shard,
        bounds: Bounds,
    ) -> None:
        self.org = org
        self._subject = subject
        self._shard = shard
        self._bounds = bounds
        self._ends = time.monotonic() + ANSWER_WITHIN_S

    async def rows(self, statement: Statement) -> Sequence[Sequence[Any]]:
        """The rows of a statement; times are naive and in UTC.

        Raises:
            Problem: ClickHouse does not answer, or stopped the query at its limits; or the
                organization has too many running.
        """
        async with self._bounds.read(self.org, self._subject, self._left()):
            left = self._left()
            try:
                return await self._shard.reader.rows(statement, self.org, min(left, _STATEMENT_S))
            except Problem as problem:
                unanswered = problem.kind == unavailable().kind and self.is_late()
                if unanswered and left < _CLICKHOUSE_STOPS_AFTER_S:
                    # It was the request's time that ended, and perhaps not ClickHouse's fault.
                    raise too_expensive() from None
                raise

    async def settled_through(self) -> datetime | None:
        """The low watermark (``pages.Watermark``).

        Raises:
            Problem: as above.
        """
        return await self._shard.watermark.read(self.rows)

    def is_late(self, within_s: float = 0.1) -> bool:
        """Whether the time for all reads of the request ends so soon."""
        return self._ends - time.monotonic() <= within_s

    def _left(self) -> float:
        if self.is_late(0):
            # Each statement before was answered: it is the request that takes too long.
            raise too_expensive()
        return self._ends - time.monotonic()

    async def stream(self, statement: Statement, *, gzip: bool) -> AsyncGenerator[bytes]:
        """The bytes of an export, as the user with an export's limits (``Database.stream``).

        Raises:
            Problem: as above, before the first byte.
            BrokenOffError: the query failed later.
        """
        with self._bounds.export(self.org, self._subject):
            silence = self._bounds.silence_s
            chunks = self._shard.exporter.stream(statement, self.org, silence, gzip=gzip)
            async with aclosing(chunks):
                async for chunk in chunks:
                    yield chunk


class Logs:
    """All logs, closed. The databases are reached through here and in no other way."""

    def __init__(self, shards: Sequence[Shard], bounds: Bounds) -> None:
        """``shards`` are in their order; a single server is one."""
        self._shards = shards
        self._bounds = bounds

    def open(self, who: Administrator, org: str) -> OrganizationLog:
        """The log of an organization that the administrator may read.

        Raises:
            Problem: they may not; the same answer as for an organization that does not exist.
        """
        who.require(org)
        shard = self._shards[shard_of(org, len(self._shards))]
        return OrganizationLog(org, who.subject, shard, self._bounds)

    async def check(self) -> None:
        """Ask ClickHouse a small question. One shard that answers is enough: it can be read.

        Raises:
            Problem: no shard answers within 4 seconds.
        """
        asked = [shard.reader.rows(settled_through(), "", _CHECK_S) for shard in self._shards]
        answers = await asyncio.gather(*asked, return_exceptions=True)
        failures = [answer for answer in answers if isinstance(answer, BaseException)]
        if len(failures) == len(answers):
            raise failures[0]

    async def close(self) -> None:
        """Close the connections."""
        for shard in self._shards:
            await shard.reader.close()
            await shard.exporter.close()
