"""``orgtrail backup`` and ``orgtrail restore``: ClickHouse's own BACKUP, in an order that holds."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

from orgtrail_deploy.access import AccessSettings, connected
from orgtrail_deploy.errors import StackError
from orgtrail_deploy.settled import settled
from orgtrail_schemas.settings import SettingsError, about, wrong
from orgtrail_schemas.tables import DATABASE

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

_PROGRESS = ("ingest_progress",)
_TABLES = ("events_store", "people", "dead_letters", "schema_versions")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_ASK_EVERY_S = 0.2
_STATE = (
    "SELECT toString(status), error, compressed_size FROM system.backups WHERE id = {id:String}"
)


class BackupSettings(AccessSettings, frozen=True, kw_only=True):
    """Each field is read from the variable ``ORGTRAIL_`` plus its name in upper case."""

    backup_to: Annotated[
        str,
        about(
            "Where backups are, as ClickHouse's BACKUP names it, with {name} in it:"
            " File('{name}.tar.zst'), Disk('backups', '{name}') or S3(a_collection, '{name}')."
        ),
    ] = ""

    def check(self, prefix: str) -> None:
        """Raise ``SettingsError`` if there is no place for backups."""
        super().check(prefix)
        if "{name}" not in self.backup_to:
            raise wrong(f"{prefix}BACKUP_TO", "must name a place with {name} in it")


def backup(name: str, *, base: str | None = None) -> int:
    """Back up the tables under NAME. With --base OTHER only what that backup lacks is written.

    Connects as the administrator. The backup is complete up to the time that the command prints:
    everything that Kafka received before is in it.
    """
    settings = _settings(name, *filter(None, [base]))
    since = _based_on(settings, base)
    with connected(settings, "back up") as client:
        through = _settled_through(client)
        # Progress first: it never says more than the tables hold, which are read later.
        _run(client, f"BACKUP {_tables(_PROGRESS)} TO {_place(settings, name, 'progress')}")
        size = _run(
            client, f"BACKUP {_tables(_TABLES)} TO {_place(settings, name, 'tables')}{since}"
        )
    print(f"{name}: {size / 1e6:,.1f} MB written, complete up to {through} or later")
    return 0


def restore(name: str, *, base: str | None = None) -> int:
    """Restore the tables of backup NAME into a ClickHouse that has none of them.

    Then run the commands that are printed: they make users, views and the events since. A backup
    remembers where its base was: if backups were moved, name the base with --base OTHER.
    """
    settings = _settings(name, *filter(None, [base]))
    since = _based_on(settings, base)
    with connected(settings, "restore") as client:
        client.command(f"CREATE DATABASE IF NOT EXISTS {DATABASE}")
        place = _place(settings, name, "tables")
        _run(client, f"RESTORE {_tables(_TABLES)} FROM {place}{since}")
        _run(client, f"RESTORE {_tables(_PROGRESS)} FROM {_place(settings, name, 'progress')}")
        through = _settled_through(client)
    print(f"{name}: restored, complete up to {through}")
    print("Now, while no consumer runs:")
    print("  orgtrail access --apply && orgtrail grants --apply && orgtrail migrate")
    print(f"  orgtrail rewind {through}")
    return 0


def _settings(*names: str) -> BackupSettings:
    for name in names:
        if not _NAME.fullmatch(name):
            raise StackError(f"{name!r} is not a backup name: use letters, digits, . _ and -")
    try:
        return BackupSettings.load()
    except SettingsError as error:
        raise StackError(str(error)) from None


def _place(settings: BackupSettings, name: str, part: str) -> str:
    return settings.backup_to.replace("{name}", f"{name}-{part}")


def _based_on(settings: BackupSettings, base: str | None) -> str:
    return "" if base is None else f" SETTINGS base_backup = {_place(settings, base, 'tables')}"


def _tables(names: tuple[str, ...]) -> str:
    return ", ".join(f"TABLE {DATABASE}.{name}" for name in names)


def _run(client: Client, statement: str) -> int:
    """Run a BACKUP or RESTORE to its end, however long it takes. Return the bytes written.

    Raises:
        StackError: it failed.
    """
    purpose = "back up" if statement.startswith("BACKUP") else "restore"
    ((number, _),) = client.query(f"{statement} ASYNC").result_rows
    while True:
        ((status, error, size),) = client.query(_STATE, {"id": number}).result_rows
        if status in ("BACKUP_CREATED", "RESTORED"):
            return int(size)
        if status not in ("CREATING_BACKUP", "RESTORING"):
            # Without the number before it and the call for a stack trace after it.
            reason = error.partition("DB::Exception: ")[2].partition(", Stack trace")[0]
            raise StackError(f"cannot {purpose}: {(reason or error)[:300].splitlines()[0]}")
        time.sleep(_ASK_EVERY_S)


def _settled_through(client: Client) -> str:
    """The time before which everything received is stored, in RFC 3339.

    It is the beginning of all times if a partition has not reported: then nothing is certain.
    """
    found = settled(client)
    moment = found.through if found.complete else datetime.fromtimestamp(0, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
