"""Servers for benchmarks, and a meter of what their processes use."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import psutil
from clickhouse_connect.driver.client import Client
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic
from tests.benchmarks.workload import Message
from tests.support.admin import admin_client, with_admin

from orgtrail_deploy.local.clickhouse import ClickHouse, ClickHouseNode
from orgtrail_deploy.local.folders import jar_cache
from orgtrail_deploy.local.jars import ensure_jars
from orgtrail_deploy.local.kafka import Broker, BrokerNode
from orgtrail_deploy.local.ports import LOOPBACK, free_ports
from orgtrail_deploy.local.secrets import ANALYSTS, load_secrets
from orgtrail_deploy.migrate_tables import migrate_tables
from orgtrail_deploy.migrate_topics import migrate_topics
from orgtrail_schemas.access import users_xml
from orgtrail_schemas.connections import ClickHouseSettings
from orgtrail_schemas.settings import Secret
from orgtrail_schemas.topics import EVENTS_TOPIC, topic_configs

PARTITIONS = 4


class Used(NamedTuple):
    """What processes used: seconds of CPU by name, and peak resident bytes of the consumer."""

    cpu: dict[str, float]
    peak: int


class Lab:
    """A broker and a ClickHouse of its own, with a user who may do anything."""

    def __init__(self, root: Path, connects: tuple[int, ...] = ()) -> None:
        kafka, controller, http, tcp = free_ports(4)
        self.root = root
        self.passwords = load_secrets(root).passwords
        self.http_port = http
        self.clickhouse = ClickHouse(
            # One of the consumer's peers is ClickHouse itself: it reads from Kafka.
            ClickHouseNode(
                folder=root / "clickhouse",
                http_port=http,
                tcp_port=tcp,
                connects=(kafka, *connects),
            ),
            with_admin(users_xml(self.passwords, ANALYSTS)),
        )
        node = BrokerNode(number=1, folder=root / "kafka", port=kafka, controller_port=controller)
        self.broker = Broker(node, [node], ensure_jars(jar_cache(), lambda *_: None))
        self.brokers = node.address
        self.clickhouse.wait_ready()
        self.broker.wait_ready()
        self.migrate()

    def migrate(self) -> None:
        migrate_topics({"bootstrap.servers": self.brokers}, partitions=PARTITIONS, replication=1)
        migrate_tables(
            ClickHouseSettings(host=LOOPBACK, port=self.http_port),
            "audit_migrator",
            Secret(self.passwords["audit_migrator"]),
        )

    def admin(self) -> Client:
        return admin_client(self.http_port)

    def fill(self, topic: str, messages: Iterator[Message]) -> int:
        """Send messages to a topic, made anew if it is not there; how many."""
        admin = AdminClient({"bootstrap.servers": self.brokers})
        if topic not in admin.list_topics(timeout=10).topics:
            made = NewTopic(topic, PARTITIONS, 1, config=topic_configs()[EVENTS_TOPIC])
            for future in admin.create_topics([made]).values():
                future.result(20)
        producer = Producer(
            {
                "bootstrap.servers": self.brokers,
                "compression.type": "lz4",
                "linger.ms": 20,
                "batch.size": 1_000_000,
                "queue.buffering.max.messages": 200_000,
                "partitioner": "murmur2_random",
            }
        )
        count = 0
        for message in messages:
            while True:
                try:
                    # Spread evenly: how well keys spread is not what is measured here.
                    producer.produce(
                        topic, message.value, message.key, partition=count % PARTITIONS
                    )
                    break
                except BufferError:
                    producer.poll(0.1)
            count += 1
        producer.flush(60)
        return count

    def truncate(self) -> None:
        with self.admin() as client:
            for table in ("events_store", "people", "dead_letters", "ingest_progress"):
                client.command(f"TRUNCATE TABLE audit.{table}")

    @contextmanager
    def meter(self, consumer: int | None) -> Iterator[list[Used]]:
        """Measure between entering and leaving; the result is appended to the yielded list."""
        processes = {
            "clickhouse": psutil.Process(self.clickhouse.child.pid),
            "kafka": psutil.Process(self.broker.child.pid),
        }
        if consumer is not None:
            processes["consumer"] = psutil.Process(consumer)
        before = {name: _cpu(process) for name, process in processes.items()}
        peak, last = [0], dict(before)
        done = threading.Event()

        def watch() -> None:
            while not done.wait(0.2):
                # A peer may end by itself: what was seen last is what it used.
                with suppress(psutil.NoSuchProcess):
                    last.update((name, _cpu(process)) for name, process in processes.items())
                    if consumer is not None:
                        peak[0] = max(peak[0], processes["consumer"].memory_info().rss)

        watcher = threading.Thread(target=watch)
        watcher.start()
        results: list[Used] = []
        try:
            yield results
        finally:
            done.set()
            watcher.join()
        cpu = {name: last[name] - before[name] for name in processes}
        results.append(Used(cpu, peak[0]))

    def stop(self) -> None:
        self.broker.stop()
        self.clickhouse.stop()


@contextmanager
def lab(connects: tuple[int, ...] = ()) -> Iterator[Lab]:
    """Servers in a folder that goes away. ClickHouse may connect to Kafka and to those ports."""
    with TemporaryDirectory(prefix="orgtrail-bench-") as folder:
        made = Lab(Path(folder), connects)
        try:
            yield made
        finally:
            made.stop()


class Progress(NamedTuple):
    """From the first count that was seen to the last."""

    events: int
    seconds: float


def wait_stored(client: Client, total: int, limit: float) -> Progress:
    """Poll until the table holds so many rows; the rate is counted from the first ones on."""
    query = "SELECT count() FROM audit.events_store"
    began = time.monotonic()
    first: tuple[float, int] | None = None
    while True:
        now, rows = time.monotonic(), int(client.query(query).result_rows[0][0])
        if rows and first is None:
            first = (now, rows)
        if rows >= total and first is not None:
            return Progress(total - first[1], max(now - first[0], 0.001))
        if now - began > limit:
            raise TimeoutError(f"{rows} of {total} after {limit} s")
        time.sleep(0.1)


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)
