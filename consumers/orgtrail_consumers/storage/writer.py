"""Inserts rows into ClickHouse. The only consumer module that imports clickhouse-connect."""

from __future__ import annotations

import io
import threading
from collections.abc import Generator
from typing import Protocol

import clickhouse_connect
import pyarrow as pa
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError

from orgtrail_schemas.connections import ClickHouseSettings
from orgtrail_schemas.settings import Secret

WriteError = (ClickHouseError, OSError)
"""Errors of ``insert`` that a retry may resolve: unreachable, or the insert failed for now."""


_AT_ONCE = 8_192
"""Larger inserts are sent in pieces: as one body, a large one would take as much memory again as
its rows. A piece is not sent again on a connection that the server has closed, so a small insert,
which an idle worker may send after a while, is one body."""


class Inserter(Protocol):
    """The storage interface of the consumer. ``Writer`` is the production implementation."""

    def insert(self, table: str, rows: pa.Table) -> None:
        """Insert the rows. On return they are acknowledged."""
        ...


class Writer:
    """Synchronous inserts into one server, over one connection per thread."""

    def __init__(
        self, server: ClickHouseSettings, user: str, password: Secret, quorum: int = 0
    ) -> None:
        """``quorum``: so many replicas must have an insert before it counts; 0 without replicas."""
        self._server = server
        self._user = user
        self._password = password
        self._quorum = quorum
        self._local = threading.local()

    def insert(self, table: str, rows: pa.Table) -> None:
        """Insert the rows. On return ClickHouse has acknowledged them.

        A retry after an error is safe, because the tables keep one row per key.

        Raises:
            WriteError: ClickHouse did not acknowledge the rows.
        """
        # async_insert and optimize_on_insert are set in the writer's profile (access.toml).
        if rows.num_rows > _AT_ONCE:
            self._client().raw_insert(
                f"audit.{table}", rows.column_names, _stream(rows), fmt="ArrowStream"
            )
        else:
            self._client().insert_arrow(table, rows, database="audit")

    def _client(self) -> Client:
        client: Client | None = getattr(self._local, "client", None)
        if client is None:
            client = clickhouse_connect.get_client(
                **self._server.connection(self._user, self._password),
                compress=False,
                connect_timeout=5,
                send_receive_timeout=60,
                settings={"insert_quorum": self._quorum} if self._quorum else None,
            )
            self._local.client = client
        return client


def _stream(rows: pa.Table) -> Generator[bytes, None, None]:
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, rows.schema) as writer:
        for batch in rows.to_batches(max_chunksize=_AT_ONCE):
            writer.write_batch(batch)
            yield sink.getvalue()
            sink.seek(0)
            sink.truncate()
    yield sink.getvalue()
