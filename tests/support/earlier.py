"""Tables of an earlier version, with events of which each value is compared after the upgrade."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest.mock import patch

from clickhouse_connect.driver.client import Client
from tests.support.rows import fill

from orgtrail_deploy import migrate_tables as module
from orgtrail_schemas.connections import ClickHouseSettings
from orgtrail_schemas.settings import Secret
from orgtrail_schemas.tables import event_columns, migrations_folder

BEFORE = 9
"""The migrations of the earlier version."""

OF_EARLIER = "service = 'earlier'"
"""The condition that an event was stored before the upgrade."""


def make_earlier_tables(
    clickhouse: ClickHouseSettings, password: Secret, client: Client, events: int
) -> None:
    """Create the tables as the earlier version did, and store events; ``client`` may do anything."""
    with tempfile.TemporaryDirectory() as folder:
        for path in sorted(migrations_folder().iterdir())[:BEFORE]:
            shutil.copy(path, folder)
        with patch.object(module, "migrations_folder", lambda: Path(folder)):
            applied = module.migrate_tables(clickhouse, "audit_migrator", password)
    assert applied == BEFORE
    fill(client, events, datetime.now(UTC))
    client.command(
        "ALTER TABLE audit.events_store UPDATE service = 'earlier' WHERE 1 SETTINGS mutations_sync = 1"
    )


def content(client: Client) -> Sequence[Sequence[Any]]:
    """How many events of the earlier version a data team reads, and a hash of all their values."""
    columns = ", ".join(f"`{c.name}`" for c in event_columns())
    found: Sequence[Sequence[Any]] = client.query(
        f"SELECT count(), sum(cityHash64({columns})) FROM audit.events WHERE {OF_EARLIER}"
    ).result_rows
    return found
