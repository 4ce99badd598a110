"""Two shards on real servers that know each other, each with users made by our commands."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from tests.support.installed_clickhouse import PASSWORDS, InstalledClickHouse
from tests.support.sql_users import SqlClickHouse

from orgtrail_deploy.local.clickhouse import ClickHouseNode
from orgtrail_deploy.local.ports import LOOPBACK, free_ports
from orgtrail_deploy.local.process import Child

NAME = "trail"
_PAGE = Path(__file__).parents[2] / "docs" / "cluster.md"


def remote_servers(ports: Sequence[int]) -> ElementTree.Element:
    """The clusters of docs/cluster.md, on these ports, and as the page says not to do it."""
    (block,) = re.findall(r"```xml\n(.*?)```", _PAGE.read_text("utf-8"), re.DOTALL)
    clusters = ElementTree.fromstring(block).find("remote_servers")
    assert clusters is not None
    for replica, port in zip(clusters.iter("replica"), ports, strict=True):
        for name, value in (("host", LOOPBACK), ("port", str(port))):
            element = replica.find(name)
            assert element is not None
            element.text = value
    (cluster,) = clusters
    assert cluster.tag == NAME
    without = deepcopy(cluster)
    without.tag = "without_secret"
    without.remove(without[0])
    clusters.append(without)
    return clusters


class ShardServer(SqlClickHouse):
    """A server of a cluster. It may connect to the shards' TCP ports."""

    def _config(self) -> str:
        root = ElementTree.fromstring(super()._config())
        root.append(remote_servers(self.node.connects))
        return ElementTree.tostring(root, encoding="unicode")


class Cluster:
    """Two shards, installed; ``root`` is the folder of the stack, whose issuer signs tokens."""

    passwords: Mapping[str, str] = PASSWORDS

    def __init__(self, folder: Path, root: Path, brokers: str, analysts: str) -> None:
        ports = free_ports(4)
        self.root = root
        self.brokers = brokers
        self.http_port = ports[0]
        self.shards = [
            InstalledClickHouse(
                folder / f"shard-{number}",
                brokers,
                ShardServer,
                ClickHouseNode(
                    folder=folder / f"shard-{number}",
                    http_port=ports[number],
                    tcp_port=ports[2 + number],
                    connects=tuple(ports[2:]),
                ),
            )
            for number in range(2)
        ]
        self.settings = {
            "CLICKHOUSE_CLUSTER": NAME,
            "CLICKHOUSE_SHARDS": ",".join(f"{LOOPBACK}:{port}" for port in ports[:2]),
            "CONSUMER_GROUP": "cluster",
        }
        for shard in self.shards:
            shard.list.write_text(analysts)
            self.install(shard)

    def install(self, shard: InstalledClickHouse) -> None:
        """Users and tables, as docs/cluster.md has it for shards of one server each."""
        done = shard.apply(CLICKHOUSE_CLUSTER=NAME)
        assert done.returncode == 0, done.stderr
        done = shard.run("migrate", "--replicated=false", "--topics=false", CLICKHOUSE_CLUSTER=NAME)
        assert done.returncode == 0, done.stderr

    def ask(self, user: str, sql: str) -> list[Sequence[Sequence[Any]]]:
        """The answer of each shard."""
        return [shard.ask(user, sql) for shard in self.shards]

    @contextmanager
    def worker(self, folder: Path) -> Iterator[str]:
        """The address of a consumer."""
        (port,) = free_ports(1)
        child = Child(
            "a consumer",
            [sys.executable, "-m", "orgtrail_deploy.cli", "consume"],
            log=folder / f"consumer-{port}.log",
            env=self.shards[0].environment(
                **self.settings, WEB_PORT=str(port), DATA_DIR=str(folder / f"data-{port}")
            ),
        )
        try:
            yield f"http://{LOOPBACK}:{port}"
        finally:
            child.stop(20)

    def stop(self) -> None:
        for shard in self.shards:
            shard.clickhouse.stop()
