"""Kafka and ClickHouse in containers, where a Docker engine answers."""

from __future__ import annotations

from pathlib import Path

import clickhouse_connect
import docker
import stamina
from clickhouse_connect.driver.exceptions import ClickHouseError
from docker.errors import DockerException
from testcontainers.core.container import DockerContainer
from testcontainers.core.waiting_utils import wait_for_logs

from orgtrail_deploy.local.jars import Progress
from orgtrail_deploy.local.ports import LOOPBACK, free_ports
from orgtrail_deploy.local.secrets import ANALYSTS, load_secrets
from orgtrail_deploy.local.servers import Say
from orgtrail_schemas.access import access_sql, analysts_sql

KAFKA_IMAGE = "apache/kafka:4.3.0"
CLICKHOUSE_IMAGE = "clickhouse/clickhouse-server:26.9"


def docker_answers() -> bool:
    """Whether a Docker engine answers."""
    try:
        client = docker.from_env(timeout=3)
        client.ping()
        client.close()
    except DockerException:
        return False
    return True


class DockerServers:
    """The same servers as in production; users come from access.sql, as there."""

    def __init__(self, root: Path) -> None:
        self._root = root
        (kafka_port,) = free_ports(1)
        self.brokers = f"{LOOPBACK}:{kafka_port}"
        self.clickhouse_host = LOOPBACK
        self.clickhouse_port = self.clickhouse_tcp_port = 0
        self._kafka = (
            DockerContainer(KAFKA_IMAGE)
            .with_bind_ports(9092, kafka_port)
            .with_env("KAFKA_NODE_ID", "1")
            .with_env("KAFKA_PROCESS_ROLES", "broker,controller")
            .with_env("KAFKA_CONTROLLER_LISTENER_NAMES", "CONTROLLER")
            .with_env("KAFKA_CONTROLLER_QUORUM_VOTERS", "1@localhost:9093")
            .with_env("KAFKA_LISTENERS", "PLAINTEXT://:9092,CONTROLLER://:9093")
            .with_env(
                "KAFKA_LISTENER_SECURITY_PROTOCOL_MAP",
                "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
            )
            .with_env("KAFKA_ADVERTISED_LISTENERS", f"PLAINTEXT://{self.brokers}")
            .with_env("KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR", "1")
            .with_env("KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR", "1")
            .with_env("KAFKA_TRANSACTION_STATE_LOG_MIN_ISR", "1")
            .with_env("KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS", "0")
            .with_env("KAFKA_AUTO_CREATE_TOPICS_ENABLE", "false")
        )
        self._clickhouse = (
            DockerContainer(CLICKHOUSE_IMAGE)
            .with_exposed_ports(8123, 9000)
            .with_env("CLICKHOUSE_USER", "admin")
            .with_env("CLICKHOUSE_PASSWORD", "admin")
            .with_env("CLICKHOUSE_DEFAULT_ACCESS_MANAGEMENT", "1")
        )

    def start(self, say: Say, progress: Progress) -> None:
        say("Starting containers")
        self._kafka.start()
        self._clickhouse.start()
        wait_for_logs(self._kafka, "Kafka Server started", timeout=120)
        self.clickhouse_port = int(self._clickhouse.get_exposed_port(8123))
        self.clickhouse_tcp_port = int(self._clickhouse.get_exposed_port(9000))
        for attempt in stamina.retry_context(on=ClickHouseError, attempts=None, timeout=120):
            with attempt:
                admin = clickhouse_connect.get_client(
                    host=self.clickhouse_host,
                    port=self.clickhouse_port,
                    username="admin",
                    password="admin",
                )
        admin.command("CREATE DATABASE IF NOT EXISTS audit")
        everywhere = ("0.0.0.0/0", "::/0")
        passwords = load_secrets(self._root).passwords
        for statement in [
            *access_sql(passwords, services_from=everywhere),
            *analysts_sql(ANALYSTS, passwords, (), analysts_from=everywhere),
        ]:
            admin.command(statement)
        admin.close()

    def stop(self) -> None:
        self._kafka.stop()
        self._clickhouse.stop()

    def pause_clickhouse(self) -> None:
        """Freeze it: it takes connections and answers nothing."""
        self._clickhouse.get_wrapped_container().pause()

    def unpause_clickhouse(self) -> None:
        """Let it go on; harmless when it was not frozen."""
        container = self._clickhouse.get_wrapped_container()
        container.reload()
        if container.status == "paused":
            container.unpause()

    def revive(self) -> str | None:
        return None
