"""The writer: the consumer's one file that knows clickhouse-connect."""

from __future__ import annotations

import threading
from typing import Protocol

import clickhouse_connect
import pyarrow as pa
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError

from orgtrail_consumers.settings import ConsumerSettings

WriteError = (ClickHouseError, OSError)
"""What ``insert`` raises when a retry may help: ClickHouse is unreachable, or refused for now."""


class Inserter(Protocol):
    """Storage, as the consumer needs it. ``Writer`` is the real one."""

    def insert(self, table: str, rows: pa.Table) -> None:
        """Insert the rows; on return they are acknowledged."""
        ...


class Writer:
    """Synchronous inserts, each acknowledged when it returns. One connection for each thread."""

    def __init__(self, settings: ConsumerSettings) -> None:
        self._settings = settings
        self._local = threading.local()

    def insert(self, table: str, rows: pa.Table) -> None:
        """Insert the rows; on return ClickHouse has acknowledged them.

        A retry after an error is safe: the tables keep one row of a key.

        Raises:
            WriteError: it did not acknowledge.
        """
        # async_insert and optimize_on_insert are constants of the writer's profile (access.toml).
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
