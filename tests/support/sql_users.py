"""A local ClickHouse whose users can be changed by SQL, as those of a production server.

The embedded server keeps the users of its file in a memory storage, behind one that refuses
changes. This program points the server at the memory storage: one aligned write of 8 bytes into its
own memory. It finds the objects by the names of their C++ types and fails loudly if there is not
exactly one of each. For tests only: it is tied to the layout of the pinned wheel and to Linux.
"""

from __future__ import annotations

import ctypes
import struct
import sys
import threading
import time
import urllib.request
from functools import partial
from pathlib import Path
from xml.etree import ElementTree

from tests.support.own_memory import DONE, Memory, report

from orgtrail_deploy.local import clickhouse_child
from orgtrail_deploy.local.clickhouse import ClickHouse
from orgtrail_deploy.local.ports import LOOPBACK

_READ_ONLY, _INNER, _CONTROL = (
    b"N2DB24UsersConfigAccessStorageE",
    b"N2DB19MemoryAccessStorageE",
    b"N2DB13AccessControlE",
)


class SqlClickHouse(ClickHouse):
    """Its users are changeable as soon as it is ready. They are gone after a restart."""

    program = ("-m", "tests.support.sql_users")
    program_folder = Path(__file__).parents[2]

    def _config(self) -> str:
        """With a query log, as a production server has; tests flush it when they read it."""
        root = ElementTree.fromstring(super()._config())
        log = ElementTree.SubElement(root, "query_log")
        for key, value in {
            "database": "system",
            "table": "query_log",
            "flush_interval_milliseconds": "3600000",
        }.items():
            ElementTree.SubElement(log, key).text = value
        return ElementTree.tostring(root, encoding="unicode")

    def wait_ready(self, seconds: float = 60) -> None:
        """Return when the server answers and its users are changeable."""
        super().wait_ready(seconds)
        word = self.node.folder / "users.state"
        self.child.wait_until(word.exists, seconds)
        assert word.read_text() == DONE, word.read_text()


def only_admin(users: str) -> str:
    """A users file without the roles and profiles that SQL shall create."""
    root = ElementTree.fromstring(users)
    for kind in ("users", "profiles", "quotas"):
        of_kind = root.find(kind)
        assert of_kind is not None
        for element in [e for e in of_kind if e.tag.startswith("audit_")]:
            of_kind.remove(element)
    return ElementTree.tostring(root, encoding="unicode")


def make_users_writable() -> None:
    """Point the server's access control at the memory storage of the users file.

    Raises:
        AssertionError: there is not exactly one place to point.
    """
    memory = Memory()
    inner = memory.objects(_INNER)
    # Some of what was found is the search itself. The right objects point at one another.
    contained = {
        storage: min((i for i in inner if 0 < i - storage < 4096), default=0)
        for storage in memory.objects(_READ_ONLY)
    }
    places = []
    for control in memory.objects(_CONTROL):
        for offset in range(8, 1024, 8):
            try:
                storages = memory.word(control + offset)
                if storages % 8 or storages < 65536:
                    continue
                begin, end = memory.word(storages), memory.word(storages + 8)
                # A vector of one shared pointer.
                if end - begin == 16 and begin % 8 == 0 and contained.get(memory.word(begin)):
                    places.append(begin)
            except (OSError, ValueError, OverflowError, struct.error):
                continue
    assert len(places) == 1, f"{len(places)} places instead of one: has the wheel changed?"
    ctypes.c_uint64.from_address(places[0]).value = contained[memory.word(places[0])]


def _once_it_serves(http_port: int) -> None:
    for _ in range(600):
        try:
            urllib.request.urlopen(f"http://{LOOPBACK}:{http_port}/ping", timeout=1).close()
            break
        except OSError:
            time.sleep(0.1)
    make_users_writable()


def main(folder: Path, ports: list[int], connects: list[int]) -> int:
    """Serve until killed, like the program of the local stack."""
    state = folder / "users.state"
    state.unlink(missing_ok=True)
    # Before the fence, which every later thread inherits.
    change = partial(_once_it_serves, ports[0])
    threading.Thread(target=report, args=(state, change), daemon=True).start()
    return clickhouse_child.main(folder, ports, connects)


if __name__ == "__main__":
    given = [int(port) for port in sys.argv[2:]]
    sys.exit(main(Path(sys.argv[1]), given[:2], given[2:]))
