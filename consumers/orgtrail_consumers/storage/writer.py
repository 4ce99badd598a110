"""Inserts rows into ClickHouse. The only consumer module that imports clickhouse-connect."""

from __future__ import annotations

import threading
from typing import Protocol

import clickhouse_connect
import pyarrow as pa
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError

from orgtrail_consumers.settings import ConsumerSettings

WriteError = (ClickHouseError, OSError)
"""Errors of ``insert`` that a retry may resolve: unreachable, or the insert failed for now."""


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
