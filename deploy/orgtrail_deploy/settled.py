"""Up to which time ClickHouse has all that Kafka received, from ``audit.ingest_progress``."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

_QUERY = """
SELECT count(), max(partitions), toUnixTimestamp64Milli(min(through)) FROM
    (SELECT max(settled_through) AS through, max(partitions) AS partitions
    FROM audit.ingest_progress GROUP BY kafka_topic, kafka_partition)
"""


class Settled(NamedTuple):
    """``reported`` of ``partitions`` have reported; ``through`` is the earliest of their times."""

    reported: int
    partitions: int
    through: datetime

    @property
    def complete(self) -> bool:
        """Whether every partition has reported, so that ``through`` holds for all of them."""
        return self.partitions > 0 and self.reported == self.partitions


def settled(client: Client) -> Settled:
    """Read it now.

    Raises:
        ClickHouseError: the server refuses, or the table does not exist.
    """
    ((reported, partitions, milliseconds),) = client.query(_QUERY).result_rows
    return Settled(reported, partitions, datetime.fromtimestamp(milliseconds / 1000, UTC))
