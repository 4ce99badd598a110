"""The two servers that the stack needs, as real processes on this machine."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from orgtrail_deploy.local import folders
from orgtrail_deploy.local.clickhouse import ClickHouse, ClickHouseNode
from orgtrail_deploy.local.fence import NO_FENCE, has_fence
from orgtrail_deploy.local.jars import Progress, ensure_jars
from orgtrail_deploy.local.kafka import Broker, BrokerNode
from orgtrail_deploy.local.ports import LOOPBACK, require_free
from orgtrail_deploy.local.secrets import ANALYSTS, load_secrets
from orgtrail_deploy.local.settings import LocalSettings
from orgtrail_schemas.access import users_xml

Say = Callable[[str], None]


class Servers(Protocol):
    """Kafka and ClickHouse, wherever they run."""

    brokers: str
    clickhouse_host: str
    clickhouse_port: int
    clickhouse_tcp_port: int

    def start(self, say: Say, progress: Progress) -> None:
        """Start both. On return both answer."""
        ...

    def stop(self) -> None:
        """Stop both."""
        ...

    def revive(self) -> str | None:
        """Start a server that ended again; return a line that says so."""
        ...


class LocalServers:
    """Both as child processes with their data in one folder, without Docker."""

    def __init__(self, root: Path, settings: LocalSettings) -> None:
        self._root = root
        self._settings = settings
        self.brokers = f"{LOOPBACK}:{settings.kafka_port}"
        self.clickhouse_host = LOOPBACK
        self.clickhouse_port = settings.clickhouse_http_port
        self.clickhouse_tcp_port = settings.clickhouse_tcp_port
        self.broker: Broker | None = None
        self.clickhouse: ClickHouse | None = None

    def start(self, say: Say, progress: Progress) -> None:
        """Start both. On return both answer.

        Raises:
            StackError: a port is in use, a jar cannot be downloaded, or a server does not start.
        """
        s = self._settings
        require_free(s.kafka_port, "Kafka", "ORGTRAIL_UP_KAFKA_PORT")
        require_free(
            s.kafka_controller_port, "Kafka's controller", "ORGTRAIL_UP_KAFKA_CONTROLLER_PORT"
        )
        require_free(s.clickhouse_http_port, "ClickHouse HTTP", "ORGTRAIL_UP_CLICKHOUSE_HTTP_PORT")
        require_free(s.clickhouse_tcp_port, "ClickHouse", "ORGTRAIL_UP_CLICKHOUSE_TCP_PORT")
        say("Downloading Kafka")
        jars = ensure_jars(folders.jar_cache(), progress)
        if not has_fence():
            say(NO_FENCE)
        say("Starting ClickHouse and Kafka")
        self.clickhouse = ClickHouse(
            ClickHouseNode(
                folder=self._root / "clickhouse",
                http_port=s.clickhouse_http_port,
                tcp_port=s.clickhouse_tcp_port,
            ),
            users_xml(load_secrets(self._root).passwords, ANALYSTS),
        )
        node = BrokerNode(
            number=1,
            folder=self._root / "kafka",
            port=s.kafka_port,
            controller_port=s.kafka_controller_port,
        )
        self.broker = Broker(node, [node], jars)
        self.clickhouse.wait_ready()
        self.broker.wait_ready()

    def stop(self) -> None:
        """Stop both. Acknowledged data stays on disk."""
        if self.broker is not None:
            self.broker.stop()
        if self.clickhouse is not None:
            self.clickhouse.stop()

    def revive(self) -> str | None:
        """Start a server that ended again; return a line that says so.

        Raises:
            StackError: it ended again and again.
        """
        for server in (self.broker, self.clickhouse):
            if server is not None and (line := server.child.revive()):
                return line
        return None
