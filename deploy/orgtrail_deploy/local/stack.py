"""The whole stack on one machine: Kafka, ClickHouse, the consumer, the query service."""

from __future__ import annotations

import sys
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

from orgtrail_deploy.local import folders
from orgtrail_deploy.local.clickhouse import ClickHouse, ClickHouseNode
from orgtrail_deploy.local.issuer import AUDIENCE, ISSUER, ensure_issuer, jwks_file, sign_in_folder
from orgtrail_deploy.local.jars import Progress, ensure_jars
from orgtrail_deploy.local.kafka import Broker, BrokerNode
from orgtrail_deploy.local.ports import LOOPBACK, require_free
from orgtrail_deploy.local.process import Child
from orgtrail_deploy.local.secrets import ANALYSTS, load_secrets
from orgtrail_deploy.local.settings import LocalSettings
from orgtrail_deploy.migrate_tables import Server, migrate_tables
from orgtrail_deploy.migrate_topics import migrate_topics
from orgtrail_schemas.access import users_xml

PARTITIONS = 4

Say = Callable[[str], None]


class Stack:
    """Everything over one folder. ``start`` it, use it, and ``stop`` it in any case."""

    def __init__(self, root: Path, settings: LocalSettings) -> None:
        self.root = root
        self.settings = settings
        self._running: list[tuple[str, Callable[[], None], Child]] = []

    @property
    def page(self) -> str:
        """The address of the page and the API."""
        return f"http://{LOOPBACK}:{self.settings.page_port}"

    @property
    def brokers(self) -> str:
        """Kafka's bootstrap servers."""
        return f"{LOOPBACK}:{self.settings.kafka_port}"

    def start(self, say: Say, progress: Progress) -> None:
        """Start all of it; on return the page answers.

        Raises:
            StackError: something of this machine is in the way; nothing is left running.
        """
        try:
            self._start(say, progress)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End what runs, the last started first."""
        while self._running:
            _name, stop, _child = self._running.pop()
            stop()

    def ended(self) -> str | None:
        """The name of a part that ended by itself; ``None`` while all run."""
        return next((name for name, _stop, child in self._running if not child.running), None)

    def environment(self) -> dict[str, str]:
        """The settings of the consumer, the query service and the SDK in this stack."""
        passwords, s = load_secrets(self.root).passwords, self.settings
        return {
            "ORGTRAIL_KAFKA_BROKERS": self.brokers,
            "ORGTRAIL_CLICKHOUSE_PORT": str(s.clickhouse_http_port),
            "ORGTRAIL_CLICKHOUSE_WRITER_PASSWORD": passwords["audit_writer"],
            "ORGTRAIL_CLICKHOUSE_READER_PASSWORD": passwords["audit_reader"],
            "ORGTRAIL_CLICKHOUSE_EXPORT_PASSWORD": passwords["audit_export"],
            "ORGTRAIL_DATA_DIR": str(self.root / "consumer"),
            "ORGTRAIL_WEB_PORT": str(s.consumer_web_port),
            "ORGTRAIL_PORT": str(s.page_port),
            "ORGTRAIL_JWT_ISSUER": ISSUER,
            "ORGTRAIL_JWT_AUDIENCE": AUDIENCE,
            "ORGTRAIL_JWKS_FILE": str(jwks_file(self.root)),
            "ORGTRAIL_SECRET": load_secrets(self.root).service,
            "ORGTRAIL_SECURE_COOKIES": "false",
            "ORGTRAIL_SIGN_IN_DIR": str(sign_in_folder(self.root)),
        }

    def _start(self, say: Say, progress: Progress) -> None:
        folders.make_private(self.root)
        for port, what, setting in self._ports():
            require_free(port, what, f"ORGTRAIL_UP_{setting}")
        secrets = load_secrets(self.root)
        ensure_issuer(self.root)
        say("Fetching Kafka")
        jars = ensure_jars(folders.jar_cache(), progress)
        say("Starting ClickHouse and Kafka")
        clickhouse, broker = self._start_servers(jars, users_xml(secrets.passwords, ANALYSTS))
        clickhouse.wait_ready()
        broker.wait_ready()
        say("Migrating")
        self.migrate()
        say("Starting the consumer and the query service")
        consumer = self._start_own("consumer", "consume")
        query = self._start_own("query service", "serve")
        port = self.settings.consumer_web_port
        consumer.wait_until(lambda: _answers(f"http://{LOOPBACK}:{port}/"), 60)
        query.wait_until(lambda: _answers(f"{self.page}/readyz"), 60)

    def migrate(self) -> None:
        """Bring Kafka and ClickHouse to this version."""
        migrate_topics({"bootstrap.servers": self.brokers}, partitions=PARTITIONS, replication=1)
        migrate_tables(
            Server(
                host=LOOPBACK,
                port=self.settings.clickhouse_http_port,
                user="audit_migrator",
                password=load_secrets(self.root).passwords["audit_migrator"],
            )
        )

    def _start_servers(self, jars: list[Path], users: str) -> tuple[ClickHouse, Broker]:
        s = self.settings
        clickhouse = ClickHouse(
            ClickHouseNode(
                folder=self.root / "clickhouse",
                http_port=s.clickhouse_http_port,
                tcp_port=s.clickhouse_tcp_port,
            ),
            users,
        )
        self._running.append(("ClickHouse", clickhouse.stop, clickhouse.child))
        node = BrokerNode(
            number=1,
            folder=self.root / "kafka",
            port=s.kafka_port,
            controller_port=s.kafka_controller_port,
        )
        broker = Broker(node, [node], jars)
        self._running.append(("Kafka", broker.stop, broker.child))
        return clickhouse, broker

    def _start_own(self, name: str, command: str) -> Child:
        child = Child(
            f"the {name}",
            [sys.executable, "-m", "orgtrail_deploy.cli", command],
            log=self.root / "logs" / f"{command}.log",
            env=self.environment(),
        )
        self._running.append((name, child.stop, child))
        return child

    def _ports(self) -> list[tuple[int, str, str]]:
        s = self.settings
        return [
            (s.kafka_port, "Kafka", "KAFKA_PORT"),
            (s.kafka_controller_port, "Kafka's controller", "KAFKA_CONTROLLER_PORT"),
            (s.clickhouse_http_port, "ClickHouse HTTP", "CLICKHOUSE_HTTP_PORT"),
            (s.clickhouse_tcp_port, "ClickHouse", "CLICKHOUSE_TCP_PORT"),
            (s.page_port, "the page", "PAGE_PORT"),
            (s.consumer_web_port, "the consumer's metrics", "CONSUMER_WEB_PORT"),
        ]


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=1):  # noqa: S310
            return True
    except urllib.error.HTTPError as error:
        return error.code < 500
    except OSError:
        return False
