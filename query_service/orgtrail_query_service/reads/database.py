"""The connection to ClickHouse. No other module of the service uses clickhouse-connect."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from typing import Any

import aiohttp
from clickhouse_connect.driver import create_async_client
from clickhouse_connect.driver.asyncclient import AsyncClient
from clickhouse_connect.driver.exceptions import ClickHouseError, DatabaseError, OperationalError

from orgtrail_query_service.http.edge import BrokenOffError
from orgtrail_query_service.problems import too_expensive, too_many, unavailable
from orgtrail_query_service.reads.statements import Statement
from orgtrail_schemas.connections import ClickHouseSettings
from orgtrail_schemas.settings import Secret

# TIMEOUT_EXCEEDED, TOO_SLOW, MEMORY_LIMIT_EXCEEDED, TOO_MANY_ROWS, TOO_MANY_BYTES
_TOO_EXPENSIVE = ("code: 159", "code: 160", "code: 241", "code: 158", "code: 307")
# QUOTA_EXCEEDED, TOO_MANY_SIMULTANEOUS_QUERIES
_TOO_MANY = ("code: 201", "code: 202")

# When a query fails midway, ClickHouse appends the error's text, at most 16 KiB
# (MAX_EXCEPTION_SIZE), to the data. Hold back this much of the end until the answer ended well.
_HELD_BACK = 32 * 1024
_AT_ONCE = 256 * 1024
"""Pass on pieces of this size: a piece costs more than its bytes (docs/benchmarks.md)."""


class Database:
    """Reads as one user. Connects at the first use: the service starts without ClickHouse."""

    def __init__(self, settings: ClickHouseSettings, user: str, password: Secret) -> None:
        self._settings = settings
        self._user = user
        self._password = password
        self._client: AsyncClient | None = None
        self._connecting = asyncio.Lock()

    async def rows(
        self, statement: Statement, counted_for: str, seconds: float
    ) -> Sequence[Sequence[Any]]:
        """The rows of a statement; times are naive and in UTC.

        ClickHouse counts it in the quota of ``counted_for``, an organization.

        Raises:
            Problem: ClickHouse does not answer within so many seconds, or stopped the query at its
                limits.
        """
        try:
            async with asyncio.timeout(seconds):
                client = await self._connected()
                result = await client.query(
                    statement.sql,
                    parameters=statement.parameters,
                    settings={"quota_key": counted_for},
                )
        except (ClickHouseError, aiohttp.ClientError, OSError, TimeoutError) as error:
            raise _translated(error) from error
        rows: Sequence[Sequence[Any]] = result.result_rows
        return rows

    async def stream(
        self, statement: Statement, counted_for: str, silence_s: float, *, gzip: bool
    ) -> AsyncGenerator[bytes]:
        """The bytes of a statement that names its format; ``gzip`` has ClickHouse compress them.

        ClickHouse may be silent for ``silence_s`` seconds at a time.

        Raises:
            Problem: the query failed before the first byte.
            BrokenOffError: the query failed later; the error's text was not passed on.
        """
        try:
            async with asyncio.timeout(silence_s):
                client = await self._connected()
                context = await client.raw_stream(
                    statement.sql,
                    parameters=statement.parameters,
                    settings={"quota_key": counted_for},
                    transport_settings={"Accept-Encoding": "gzip"} if gzip else None,
                )
        except (ClickHouseError, aiohttp.ClientError, OSError, TimeoutError) as error:
            raise _translated(error) from error
        held, size, begun = list[bytes](), 0, False
        async with context as chunks:
            try:
                async for chunk in _in_time(chunks, silence_s):
                    held.append(chunk)
                    size += len(chunk)
                    if size > _HELD_BACK + _AT_ONCE:
                        begun = True
                        together = b"".join(held)
                        yield together[:-_HELD_BACK]
                        held, size = [together[-_HELD_BACK:]], _HELD_BACK
            except (aiohttp.ClientError, OSError, TimeoutError) as error:
                broken = BrokenOffError("ClickHouse does not send the rest")
                raise (broken if begun else unavailable()) from error
        yield b"".join(held)

    async def close(self) -> None:
        """Close the connections."""
        if self._client is not None:
            await self._client.close()

    async def _connected(self) -> AsyncClient:
        async with self._connecting:
            if self._client is None:
                self._client = await self._connect()
            return self._client

    async def _connect(self) -> AsyncClient:
        return await create_async_client(
            **self._settings.connection(self._user, self._password),
            compress=False,
            connect_timeout=5,
            # The limits are those of organizations and people (auth/bounds.py): a pool that all
            # share would let a few keep out the others.
            connector_limit=0,
            connector_limit_per_host=0,
            # An export may take as long as its settings profile allows (access.toml).
            send_receive_timeout=3700,
        )


async def _in_time(chunks: AsyncIterator[bytes], seconds: float) -> AsyncIterator[bytes]:
    while True:
        try:
            async with asyncio.timeout(seconds):
                chunk = await anext(chunks)
        except StopAsyncIteration:
            return
        yield chunk


def _translated(error: Exception) -> Exception:
    """The problem to answer with. An error that only a bug can cause is returned unchanged."""
    if any(code in str(error) for code in _TOO_MANY):
        return too_many(60)
    if isinstance(error, DatabaseError) and not isinstance(error, OperationalError):
        return too_expensive() if any(code in str(error) for code in _TOO_EXPENSIVE) else error
    return unavailable()
