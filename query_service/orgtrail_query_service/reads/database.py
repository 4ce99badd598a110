"""The query service's one file that knows clickhouse-connect."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from typing import Any

import aiohttp
from clickhouse_connect.driver import create_async_client
from clickhouse_connect.driver.asyncclient import AsyncClient
from clickhouse_connect.driver.exceptions import ClickHouseError, DatabaseError, OperationalError

from orgtrail_query_service.problems import too_expensive, too_many, unavailable
from orgtrail_query_service.reads.statements import Statement
from orgtrail_schemas.connections import ClickHouseSettings
from orgtrail_schemas.settings import Secret

# TIMEOUT_EXCEEDED, TOO_SLOW, MEMORY_LIMIT_EXCEEDED, TOO_MANY_ROWS, TOO_MANY_BYTES
_TOO_EXPENSIVE = ("code: 159", "code: 160", "code: 241", "code: 158", "code: 307")
# QUOTA_EXCEEDED, TOO_MANY_SIMULTANEOUS_QUERIES
_TOO_MANY = ("code: 201", "code: 202")

# ClickHouse cuts an exception's text at 16 KiB (MAX_EXCEPTION_SIZE); it is the last thing that a
# failing answer carries, so this much of the end is held back until the answer has ended well.
_HELD_BACK = 32 * 1024
_AT_ONCE = 256 * 1024
"""How much is passed on at once: each time costs more than the bytes (docs/benchmarks.md)."""


class ExportBrokenError(Exception):
    """ClickHouse failed while an export was under way: the transfer must not end as if whole."""


class Database:
    """Reads as one user. Connects when first used, so that a start needs no ClickHouse."""

    def __init__(self, settings: ClickHouseSettings, user: str, password: Secret) -> None:
        self._settings = settings
        self._user = user
        self._password = password
        self._client: AsyncClient | None = None

    async def rows(self, statement: Statement) -> Sequence[Sequence[Any]]:
        """The rows of a statement; times are naive and in UTC.

        Raises:
            Problem: ClickHouse does not answer, or stopped the query at its limits.
        """
        try:
            client = await self._connected()
            result = await client.query(statement.sql, parameters=statement.parameters)
        except (ClickHouseError, aiohttp.ClientError, OSError, TimeoutError) as error:
            raise _translated(error) from error
        rows: Sequence[Sequence[Any]] = result.result_rows
        return rows

    async def stream(self, statement: Statement, *, gzip: bool) -> AsyncGenerator[bytes]:
        """The bytes of a statement that names its format; ``gzip`` has ClickHouse compress them.

        Raises:
            Problem: it failed before the first byte.
            ExportBrokenError: it failed later; no text of the error was passed on.
        """
        try:
            client = await self._connected()
            context = await client.raw_stream(
                statement.sql,
                parameters=statement.parameters,
                transport_settings={"Accept-Encoding": "gzip"} if gzip else None,
            )
        except (ClickHouseError, aiohttp.ClientError, OSError, TimeoutError) as error:
            raise _translated(error) from error
        held, size, begun = list[bytes](), 0, False
        async with context as chunks:
            try:
                async for chunk in chunks:
                    held.append(chunk)
                    size += len(chunk)
                    if size > _HELD_BACK + _AT_ONCE:
                        begun = True
                        together = b"".join(held)
                        yield together[:-_HELD_BACK]
                        held, size = [together[-_HELD_BACK:]], _HELD_BACK
            except (aiohttp.ClientError, OSError, TimeoutError) as error:
                raise (ExportBrokenError() if begun else unavailable()) from error
        yield b"".join(held)

    async def close(self) -> None:
        """Close the connections."""
        if self._client is not None:
            await self._client.close()

    async def _connected(self) -> AsyncClient:
        if self._client is None:
            self._client = await create_async_client(
                **self._settings.connection(self._user, self._password),
                compress=False,
                connect_timeout=5,
                # An export lasts as long as its profile allows (access.toml).
                send_receive_timeout=3700,
            )
        return self._client


def _translated(error: Exception) -> Exception:
    """A problem to answer with; an error that only a defect of ours explains stays itself."""
    if any(code in str(error) for code in _TOO_MANY):
        return too_many(60)
    if isinstance(error, DatabaseError) and not isinstance(error, OperationalError):
        return too_expensive() if any(code in str(error) for code in _TOO_EXPENSIVE) else error
    return unavailable()
