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

from orgtrail_consumers.settings import ConsumerSettings

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
    """Synchronous inserts over one connection per thread."""

    def __init__(self, settings: ConsumerSettings) -> None:
        self._settings = settings
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
            s = self._settings
            client = clickhouse_connect.get_client(
                **s.clickhouse.connection(s.clickhouse_writer_user, s.clickhouse_writer_password),
                compress=False,
                connect_timeout=5,
                send_receive_timeout=60,
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
