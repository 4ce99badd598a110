"""``orgtrail relay``: delivers committed events from an outbox table to Kafka."""

from __future__ import annotations

import logging
import os
import signal
import sys
from functools import partial
from types import FrameType
from typing import TYPE_CHECKING, Annotated

from orgtrail.errors import AuditError, SettingsError
from orgtrail.outbox.table import TABLE
from orgtrail.settings import ProducerSettings
from orgtrail_schemas.settings import Secret, Settings, about
from orgtrail_schemas.settings import SettingsError as _SharedError

if TYPE_CHECKING:
    from orgtrail.outbox.store import Store

_END_WITHIN_S = 10


class RelaySettings(Settings, frozen=True, kw_only=True):
    """Each is read from ``ORGTRAIL_`` and its name in capitals."""

    outbox_database: Annotated[
        Secret, about("URL of the outbox database, such as postgresql://… or sqlite:///….")
    ] = Secret("")


def relay(
    *,
    database: str | None = None,
    table: str = TABLE,
    create: bool = False,
    once: bool = False,
    batch: int = 500,
    keep_days: float = 0,
    lease_seconds: float = 15,
) -> int:
    """Deliver events from an outbox table to Kafka until SIGTERM.

    The ORGTRAIL_ settings configure the connection to Kafka. You can run any number of relays:
    each leases organizations that no other relay has leased. Without --once the exit code is
    always 0.

    Args:
        database: postgresql://user@host/name or sqlite:///path. Put a URL with a password into
            ORGTRAIL_OUTBOX_DATABASE, or into a file named by ORGTRAIL_OUTBOX_DATABASE_FILE.
        table: The outbox table; may be schema.name.
        create: Create missing tables, then exit.
        once: Exit when no rows are left. The exit code is 1 if a step failed or Kafka rejected an
            event.
        batch: Maximum number of events to send at a time.
        keep_days: Days to keep delivered rows. 0 deletes them immediately.
        lease_seconds: Duration of a lease. After a relay dies, its organizations wait this long.
    """
    from orgtrail.outbox.connect import database as database_of
    from orgtrail.outbox.store import DatabaseUnavailableError, Store

    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr
    )
    try:
        if batch < 1 or lease_seconds < 1 or keep_days < 0:
            raise SettingsError(
                "--batch and --lease-seconds must be >= 1, --keep-days must be >= 0"
            )
        settings = ProducerSettings.load()
        settings.librdkafka()
        store = Store(
            database_of(database or _configured_database()),
            table,
            settings.topic,
            lease_s=lease_seconds,
            keep_s=keep_days * 86_400,
        )
    except AuditError as error:
        return _fail(str(error))
    if create:
        from orgtrail.outbox.connect import problem

        try:
            store.create()
        except DatabaseUnavailableError as error:
            return _fail(problem(error))
        store.close()
        print(f"{table} is ready")
        return 0
    return _run(settings, store, once=once, batch=batch, lease_seconds=lease_seconds)


def _run(
    settings: ProducerSettings, store: Store, *, once: bool, batch: int, lease_seconds: float
) -> int:
    from orgtrail.delivery.kafka import KafkaClient
    from orgtrail.outbox.relay import Relay

    try:
        # Report settings that librdkafka rejects now, instead of repeatedly in the loop.
        KafkaClient(settings, lambda _text: None).discard()
    except AuditError as error:
        return _fail(str(error))
    running = Relay(
        store,
        partial(KafkaClient, settings),
        batch=batch,
        lease_s=lease_seconds,
        destination=settings.kafka_brokers,
    )

    def stop(_signal: int, _frame: FrameType | None) -> None:
        running.stop()
        signal.alarm(_END_WITHIN_S)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    signal.signal(signal.SIGALRM, _end_now)
    logging.getLogger("orgtrail").info(
        "delivering from the outbox to %s at Kafka %s", settings.topic, settings.kafka_brokers
    )
    running.run(once=once)
    print(f"{running.delivered} delivered, {running.refused} refused", file=sys.stderr)
    return 1 if once and (running.failed or running.refused) else 0


def _end_now(_signal: int, _frame: FrameType | None) -> None:
    # Something blocks the process, such as a database that does not respond. No event is lost:
    # rows that were not settled are sent again.
    print("orgtrail relay: shutdown timed out; exiting", file=sys.stderr, flush=True)
    os._exit(0)


def _configured_database() -> str:
    try:
        database = RelaySettings.load().outbox_database.reveal()
    except _SharedError as error:
        raise SettingsError(str(error)) from None
    if not database:
        raise SettingsError("--database or ORGTRAIL_OUTBOX_DATABASE is required")
    return database


def _fail(problem: str) -> int:
    print(f"orgtrail relay: {problem}", file=sys.stderr)
    return 1
