"""Servers that tests may hurt, apart from the stack that the other tests share."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from clickhouse_connect.driver.exceptions import OperationalError
from confluent_kafka import (
    Consumer,
    ConsumerGroupTopicPartitions,
    KafkaException,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient
from tests.support.admin import admin_client, with_admin
from tests.support.earlier import OF_EARLIER, make_earlier_tables
from tests.support.proxy import Proxy
from tests.support.running import eventually

from orgtrail_deploy.local.clickhouse import ClickHouse, ClickHouseNode
from orgtrail_deploy.local.folders import jar_cache, make_private
from orgtrail_deploy.local.jars import ensure_jars
from orgtrail_deploy.local.kafka import Broker, BrokerNode
from orgtrail_deploy.local.ports import LOOPBACK, free_ports
from orgtrail_deploy.local.process import Child
from orgtrail_deploy.local.secrets import ANALYSTS, load_secrets
from orgtrail_deploy.migrate_tables import migrate_tables
from orgtrail_deploy.migrate_topics import migrate_topics
from orgtrail_schemas.access import users_xml
from orgtrail_schemas.connections import ClickHouseSettings
from orgtrail_schemas.settings import Secret
from orgtrail_schemas.topics import EVENTS_TOPIC

GROUP = "orgtrail"
PARTITIONS = 4
_EARLIER_EVENTS = 200_000


class Arena:
    """Brokers and a ClickHouse, a proxy before each; consumers are started by the tests."""

    def __init__(self, root: Path, brokers: int = 1, *, migrated: bool = False) -> None:
        """``migrated``: the tables are of an earlier version, with events, and were migrated."""
        self.root = make_private(root)
        self.passwords = load_secrets(root).passwords
        http, tcp, in_front, *ports = free_ports(3 + 3 * brokers)
        self.http_port = http
        self.clickhouse = ClickHouse(
            ClickHouseNode(folder=root / "clickhouse", http_port=http, tcp_port=tcp),
            with_admin(users_xml(self.passwords, ANALYSTS)),
        )
        self.clickhouse_proxy = Proxy(in_front, http)
        nodes = [
            BrokerNode(
                number=n + 1,
                folder=root / f"kafka-{n + 1}",
                port=ports[3 * n],
                controller_port=ports[3 * n + 1],
                advertised_port=ports[3 * n + 2],
            )
            for n in range(brokers)
        ]
        self.kafka_proxies = [Proxy(node.advertised_port or 0, node.port) for node in nodes]
        jars = ensure_jars(jar_cache(), lambda *_: None)
        self.kafka = [Broker(node, nodes, jars) for node in nodes]
        self.brokers = ",".join(node.advertised for node in nodes)
        self._consumers: list[Child] = []
        self._client: Any = None
        self.clickhouse.wait_ready()
        for broker in self.kafka:
            broker.wait_ready(120)
        migrate_topics(
            {"bootstrap.servers": self.brokers},
            partitions=PARTITIONS,
            replication=min(3, brokers),
        )
        connection = ClickHouseSettings(host=LOOPBACK, port=http)
        password = Secret(self.passwords["audit_migrator"])
        if migrated:
            with admin_client(http) as client:
                make_earlier_tables(connection, password, client, _EARLIER_EVENTS)
        migrate_tables(connection, "audit_migrator", password)

    def query(self, sql: str) -> Sequence[Sequence[Any]]:
        """As one who may do anything; waits while ClickHouse restarts."""
        deadline = time.monotonic() + 60
        while True:
            try:
                if self._client is None:
                    self._client = admin_client(self.http_port)
                rows: Sequence[Sequence[Any]] = self._client.query(sql).result_rows
                return rows
            except (OperationalError, OSError):
                self._client = None
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.2)

    def stored(self) -> int:
        """How many copies of events there are, those of the earlier version aside."""
        sql = f"SELECT count() FROM audit.events_store WHERE NOT {OF_EARLIER}"
        return int(self.query(sql)[0][0])

    def clear(self) -> None:
        """Remove what tests stored; events of the earlier version stay."""
        for table in ("people", "dead_letters", "ingest_progress"):
            self.query(f"TRUNCATE TABLE audit.{table}")
        self.query(
            f"ALTER TABLE audit.events_store DELETE WHERE NOT {OF_EARLIER}"
            " SETTINGS mutations_sync = 1"
        )

    def start_consumer(self, **settings: str) -> Worker:
        """Start one more worker; ``settings`` are environment variables."""
        worker = Worker(self, settings)
        self._consumers.append(worker.child)
        return worker

    def committed(self, group: str = GROUP) -> dict[int, int]:
        """The group's committed offsets by partition."""
        consumer = Consumer({"bootstrap.servers": self.brokers, "group.id": group})
        places = [TopicPartition(EVENTS_TOPIC, n) for n in range(PARTITIONS)]
        found = {p.partition: p.offset for p in consumer.committed(places, timeout=20)}
        consumer.close()
        return found

    def rewind(self, offsets: dict[int, int]) -> None:
        """What an operator does: set the group's offsets, which Kafka allows without members."""
        places = [TopicPartition(EVENTS_TOPIC, n, max(at, 0)) for n, at in offsets.items()]
        admin = AdminClient({"bootstrap.servers": self.brokers})
        wanted = ConsumerGroupTopicPartitions(GROUP, places)
        for future in admin.alter_consumer_group_offsets([wanted]).values():
            for place in future.result(20).topic_partitions:
                if place.error is not None:
                    raise KafkaException(place.error)

    def stop_consumers(self) -> None:
        for child in self._consumers:
            child.kill()
            every_line_is_json(child.log)
        self._consumers.clear()

    def stop(self) -> None:
        self.stop_consumers()
        self.clickhouse_proxy.close()
        for broker in self.kafka:
            broker.child.kill()
        for proxy in self.kafka_proxies:
            proxy.close()
        self.clickhouse.stop()


def every_line_is_json(log: Path) -> None:
    """Whatever is written: our lines, Faust's, Kafka's client's. The last line may be cut."""
    for line in log.read_text("utf-8", errors="replace").splitlines()[:-1]:
        if not line.startswith("orgtrail consume: "):
            assert isinstance(json.loads(line), dict), line


class Worker:
    """One consumer process of the group."""

    def __init__(self, arena: Arena, settings: dict[str, str]) -> None:
        self.port = free_ports(1)[0]
        env = {
            "ORGTRAIL_KAFKA_BROKERS": arena.brokers,
            "ORGTRAIL_CLICKHOUSE_PORT": str(arena.clickhouse_proxy.port),
            "ORGTRAIL_CLICKHOUSE_WRITER_PASSWORD": arena.passwords["audit_writer"],
            "ORGTRAIL_DATA_DIR": str(arena.root / f"consumer-{self.port}"),
            "ORGTRAIL_WEB_PORT": str(self.port),
            "ORGTRAIL_SESSION_TIMEOUT_S": "3",
            # Small batches: many of each step within a short test.
            "ORGTRAIL_BATCH_RECORDS": "500",
            **settings,
        }
        self.child = Child(
            "consumer",
            [sys.executable, "-m", "tests.chaos.hurt"],
            log=arena.root / "logs" / f"consumer-{self.port}.log",
            env=env,
        )

    @property
    def log(self) -> str:
        return self.child.log.read_text("utf-8", errors="replace")

    def readiness(self) -> tuple[int, str]:
        """Status and text of ``/readyz``; 0 while it does not answer."""
        try:
            answer = httpx.get(f"http://{LOOPBACK}:{self.port}/readyz", timeout=5)
        except httpx.HTTPError:
            return 0, ""
        return answer.status_code, answer.text

    def wait_ready(self) -> Worker:
        eventually(lambda: self.readiness()[0] == 200, 60)
        return self

    def wait_dead(self, seconds: float = 60) -> None:
        eventually(lambda: not self.child.running, seconds)

    def metric(self, name: str) -> float:
        """The sum of a metric over its labels; 0 while the worker does not answer."""
        return sum(self._values(name))

    def reported(self, name: str) -> bool:
        """Whether a metric has a value for every partition."""
        return len(self._values(name)) >= PARTITIONS

    def _values(self, name: str) -> list[float]:
        try:
            text = httpx.get(f"http://{LOOPBACK}:{self.port}/metrics", timeout=5).text
        except httpx.HTTPError:
            return []
        lines = [line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#")]
        return [float(value) for left, value in lines if left.split("{")[0] == name]


@contextmanager
def arena_of(folder: Path, brokers: int = 1, *, migrated: bool = False) -> Iterator[Arena]:
    """Servers for the block; whatever happens they end with it."""
    made = Arena(folder, brokers, migrated=migrated)
    try:
        yield made
    finally:
        made.stop()
