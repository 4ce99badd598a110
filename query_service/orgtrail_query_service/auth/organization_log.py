"""Organizations' logs, opened for their administrators only."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from typing import Any

from orgtrail_query_service.auth.administrator import Administrator
from orgtrail_query_service.reads.database import Database
from orgtrail_query_service.reads.statements import Statement, settled_through


class OrganizationLog:
    """The log of one organization, for one administrator of it: what every read takes.

    Only ``Logs.open`` makes one (enforced by a test), so a read without a check cannot be written.
    """

    def __init__(self, org: str, reader: Database, exporter: Database) -> None:
        self.org = org
        self._reader = reader
        self._exporter = exporter

    async def rows(self, statement: Statement) -> Sequence[Sequence[Any]]:
        """The rows of a statement; times are naive and in UTC.

        Raises:
            Problem: ClickHouse does not answer, or stopped the query at its limits.
        """
        return await self._reader.rows(statement)

    def stream(self, statement: Statement, *, gzip: bool) -> AsyncGenerator[bytes]:
        """The bytes of an export, as the user with an export's limits (``Database.stream``)."""
        return self._exporter.stream(statement, gzip=gzip)


class Logs:
    """All logs, closed. The databases are reached through here and in no other way."""

    def __init__(self, reader: Database, exporter: Database) -> None:
        self._reader = reader
        self._exporter = exporter

    def open(self, who: Administrator, org: str) -> OrganizationLog:
        """The log of an organization that the administrator may read.

        Raises:
            Problem: they may not; the same answer as for an organization that does not exist.
        """
        who.require(org)
        return OrganizationLog(org, self._reader, self._exporter)

    async def check(self) -> None:
        """Ask ClickHouse a small question.

        Raises:
            Problem: it does not answer.
        """
        await self._reader.rows(settled_through())

    async def close(self) -> None:
        """Close the connections."""
        await self._reader.close()
        await self._exporter.close()
