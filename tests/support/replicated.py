"""A local ClickHouse whose tables may be replicated, with ZooKeeper, as one replica.

The embedded server has no address for other replicas, and without one its replicated tables stay
read-only. This program writes an address into the server's own memory, next to the path of its data
(``ContextSharedPart``). Nobody answers there, so there cannot be a second replica.
"""

from __future__ import annotations

import ctypes
import struct
import sys
import threading
import time
from functools import partial
from pathlib import Path
from xml.etree import ElementTree

from tests.support import sql_users
from tests.support.own_memory import DONE, Memory, pointer, report
from tests.support.sql_users import SqlClickHouse

from orgtrail_deploy.local.ports import LOOPBACK

_HOST, _PORT, _SCHEME = -112, -88, -80
"""Where the address stands, from the path: in the wheel of ClickHouse 26.9."""


class ReplicatedClickHouse(SqlClickHouse):
    """It reaches ZooKeeper at the first of ``node.connects``."""

    program = ("-m", "tests.support.replicated")

    def _config(self) -> str:
        root = ElementTree.fromstring(super()._config())
        node = ElementTree.SubElement(ElementTree.SubElement(root, "zookeeper"), "node")
        ElementTree.SubElement(node, "host").text = LOOPBACK
        ElementTree.SubElement(node, "port").text = str(self.node.connects[0])
        # Without ON CLUSTER no other replica would learn the UUID, which the default path has in it.
        path = "/clickhouse/tables/{database}/{table}/{shard}"
        ElementTree.SubElement(root, "default_replica_path").text = path
        macros = ElementTree.SubElement(root, "macros")
        ElementTree.SubElement(macros, "shard").text = "1"
        ElementTree.SubElement(macros, "replica").text = "one"
        return ElementTree.tostring(root, encoding="unicode")

    def wait_ready(self, seconds: float = 60) -> None:
        super().wait_ready(seconds)
        word = self.node.folder / "address.state"
        self.child.wait_until(word.exists, seconds)
        assert word.read_text() == DONE, word.read_text()


def name_this_replica(path: str, port: int) -> None:
    """Write the address next to the server's path.

    Raises:
        AssertionError: there is not exactly one place to write it.
    """
    memory = Memory()
    text = path.encode()
    copies = memory.find(memory.heap(), [text + b"\0"], 1)
    strings = memory.find(memory.heap(), [pointer(address) for address in copies], 8)
    blank = bytes(-_HOST - 56)
    places = [
        at
        for at in strings
        if memory.word(at + 8) == len(text) and memory.bytes(at + _HOST, len(blank)) == blank
    ]
    assert len(places) == 1, f"{len(places)} places instead of one: has the wheel changed?"
    (at,) = places
    for offset, value in ((_HOST, LOOPBACK.encode()), (_SCHEME, b"http")):
        ctypes.memmove(at + offset, value.ljust(23, b"\0") + bytes([len(value)]), 24)
    ctypes.memmove(at + _PORT, struct.pack("<Q", port), 8)


def _name_in_time(path: str, port: int) -> None:
    """A query that is running may hold a copy of the path, which looks like the place."""
    for remaining in reversed(range(5)):
        try:
            name_this_replica(path, port)
            return
        except AssertionError:
            if not remaining:
                raise
            time.sleep(1)


def _once_it_serves(folder: Path, port: int) -> None:
    while not (folder / "users.state").exists():
        time.sleep(0.05)
    _name_in_time(f"{folder / 'data'}/", port)


def main(folder: Path, ports: list[int], connects: list[int]) -> int:
    """Serve until killed."""
    state = folder / "address.state"
    for old in (state, folder / "users.state"):
        old.unlink(missing_ok=True)
    # Nobody listens at the port after its own.
    change = partial(_once_it_serves, folder, ports[0] + 1)
    threading.Thread(target=report, args=(state, change), daemon=True).start()
    return sql_users.main(folder, ports, connects)


if __name__ == "__main__":
    given = [int(port) for port in sys.argv[2:]]
    sys.exit(main(Path(sys.argv[1]), given[:2], given[2:]))
