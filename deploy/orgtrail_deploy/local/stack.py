"""The whole stack on one machine: Kafka, ClickHouse, the consumer and the query service."""

from __future__ import annotations

import sys
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from orgtrail import ProducerSettings
from orgtrail_deploy.local.folders import make_private
from orgtrail_deploy.local.issuer import AUDIENCE, ISSUER, ensure_issuer, jwks_file, sign_in_folder
from orgtrail_deploy.local.jars import Progress
from orgtrail_deploy.local.ports import LOOPBACK, require_free
from orgtrail_deploy.local.process import Child
from orgtrail_deploy.local.secrets import load_secrets
from orgtrail_deploy.local.servers import LocalServers, Say, Servers
from orgtrail_deploy.local.settings import LocalSettings, record
from orgtrail_deploy.migrate_tables import migrate_tables
from orgtrail_deploy.migrate_topics import migrate_topics
from orgtrail_schemas.connections import ClickHouseSettings
from orgtrail_schemas.settings import Secret

PARTITIONS = 4


class Stack:
    """The whole stack with its data in one folder. Always call ``stop`` after ``start``.

    ``servers`` defaults to real processes on this machine. ``more`` holds environment variables
    that are added to those of ``environment``.
    """

    def __init__(
        self,
        root: Path,
        settings: LocalSettings,
        servers: Servers | None = None,
        more: Mapping[str, str] | None = None,
    ) -> None:
        self.root = root
        self.settings = settings
        self.servers: Servers = servers or LocalServers(root, settings)
        self._more = dict(more or {})
        self.consumer: Child | None = None
        self.query: Child | None = None

    @property
    def page(self) -> str:
        """The address of the page and the API."""
        return f"http://{LOOPBACK}:{self.settings.page_port}"

    @property
    def brokers(self) -> str:
        """Kafka's bootstrap servers."""
        return self.servers.brokers

    def start(self, say: Say, progress: Progress) -> None:
        """Start the whole stack. On return the page answers.

        Raises:
            StackError: the stack cannot start on this machine. Nothing is left running.
        """
        try:
            self._start(say, progress)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop everything that runs, in reverse order of starting."""
        for child in (self.query, self.consumer):
            if child is not None:
                child.stop()
        self.servers.stop()

    def revive(self) -> str | None:
        """Start a process that ended again; return a line that says so.

        Raises:
            StackError: it ended again and again.
        """
        for child in (self.consumer, self.query):
            if child is not None and (line := child.revive()):
                return line
        return self.servers.revive()

    def environment(self) -> dict[str, str]:
        """The settings of the consumer, the query service and the SDK in this stack."""
        secrets, s = load_secrets(self.root), self.settings
        return {
            "ORGTRAIL_KAFKA_BROKERS": self.brokers,
            "ORGTRAIL_CLICKHOUSE_HOST": self.servers.clickhouse_host,
            "ORGTRAIL_CLICKHOUSE_PORT": str(self.servers.clickhouse_port),
            "ORGTRAIL_CLICKHOUSE_WRITER_PASSWORD": secrets.passwords["audit_writer"],
            "ORGTRAIL_CLICKHOUSE_READER_PASSWORD": secrets.passwords["audit_reader"],
            "ORGTRAIL_CLICKHOUSE_EXPORT_PASSWORD": secrets.passwords["audit_export"],
            "ORGTRAIL_DATA_DIR": str(self.root / "consumer"),
            "ORGTRAIL_WEB_PORT": str(s.consumer_web_port),
            "ORGTRAIL_PORT": str(s.page_port),
            "ORGTRAIL_JWT_ISSUER": ISSUER,
            "ORGTRAIL_JWT_AUDIENCE": AUDIENCE,
            "ORGTRAIL_JWKS_FILE": str(jwks_file(self.root)),
            "ORGTRAIL_SECRET": secrets.service,
            "ORGTRAIL_SECURE_COOKIES": "false",
            "ORGTRAIL_SIGN_IN_DIR": str(sign_in_folder(self.root)),
            "ORGTRAIL_PUBLIC_URL": self.page,
            "ORGTRAIL_SPOOL_DIR": str(self.root / "spool"),
            **self._more,
        }

    def producer_settings(self, **more: Any) -> ProducerSettings:
        """The settings for an SDK that emits to this stack."""
        return ProducerSettings.load(self.environment(), **more)

    def start_consumer(self, settings: dict[str, str] | None = None) -> Child:
        """Start the consumer. The servers must be running. On return the consumer answers.

        ``settings`` are added to those of ``environment``.
        """
        port = self.settings.consumer_web_port
        self.consumer = self._start_own("the consumer", "consume", settings or {})
        self.consumer.wait_until(lambda: _answers(f"http://{LOOPBACK}:{port}/"), 60)
        return self.consumer

    def _start(self, say: Say, progress: Progress) -> None:
        make_private(self.root)
        s = self.settings
        require_free(s.page_port, "the page", "ORGTRAIL_UP_PAGE_PORT")
        require_free(s.consumer_web_port, "the consumer's metrics", "ORGTRAIL_UP_CONSUMER_WEB_PORT")
        ensure_issuer(self.root)
        record(self.root, s)
        self.servers.start(say, progress)
        say("Migrating Kafka topics and ClickHouse tables")
        self.migrate()
        say("Starting the consumer and the query service")
        self.query = self._start_own("the query service", "serve", {})
        self.start_consumer()
        self.query.wait_until(lambda: _answers(f"{self.page}/readyz"), 60)

    def migrate(self) -> None:
        """Migrate Kafka topics and ClickHouse tables to this version."""
        migrate_topics({"bootstrap.servers": self.brokers}, partitions=PARTITIONS, replication=1)
        migrate_tables(
            ClickHouseSettings(
                host=self.servers.clickhouse_host, port=self.servers.clickhouse_port
            ),
            "audit_migrator",
            Secret(load_secrets(self.root).passwords["audit_migrator"]),
        )

    def _start_own(self, name: str, command: str, settings: dict[str, str]) -> Child:
        return Child(
            name,
            [sys.executable, "-m", "orgtrail_deploy.cli", command],
            log=self.root / "logs" / f"{command}.log",
            env=self.environment() | settings,
        )


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=1):  # noqa: S310
            return True
    except urllib.error.HTTPError as error:
        return error.code < 500
    except OSError:
        return False
