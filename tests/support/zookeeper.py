"""A real ZooKeeper, in place of ClickHouse Keeper, which the embedded server does not contain."""

from __future__ import annotations

import socket
from pathlib import Path

import msgspec

from orgtrail_deploy.local.folders import jar_cache
from orgtrail_deploy.local.jars import Jar, ensure_jars, locked_jars
from orgtrail_deploy.local.kafka import java
from orgtrail_deploy.local.ports import LOOPBACK, free_ports
from orgtrail_deploy.local.process import Child

_LOCK = Path(__file__).with_name("zookeeper.lock.toml")
_OF_KAFKA = ("slf4j-api", "snappy-java")


class _Jars(msgspec.Struct):
    jar: list[Jar]


class ZooKeeper:
    """A single server with its data in a folder."""

    def __init__(self, folder: Path) -> None:
        """Start it, and return when it accepts connections."""
        folder.mkdir(parents=True)
        (self.port,) = free_ports(1)
        config = folder / "zoo.cfg"
        config.write_text(
            f"dataDir={folder / 'data'}\nclientPortAddress={LOOPBACK}\nclientPort={self.port}\n"
            "admin.enableServer=false\n"
        )
        own = msgspec.toml.decode(_LOCK.read_bytes(), type=_Jars).jar
        shared = [jar for jar in locked_jars() if jar.artifact in _OF_KAFKA]
        classpath = ":".join(map(str, ensure_jars(jar_cache(), lambda *_: None, [*own, *shared])))
        self.child = Child(
            "ZooKeeper",
            [
                java(), "-Xmx128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", classpath,
                "org.apache.zookeeper.server.ZooKeeperServerMain", config,
            ],
            log=folder / "zookeeper.log",
        )  # fmt: skip
        self.child.wait_until(self._accepts, 30)

    def stop(self) -> None:
        self.child.stop(5)

    def _accepts(self) -> bool:
        with socket.socket() as client:
            return client.connect_ex((LOOPBACK, self.port)) == 0
