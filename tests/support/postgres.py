"""A real PostgreSQL server: an installed one, else Debian's package; on a loopback port."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import psycopg
import pytest
from tests.support.debian import install_package

from orgtrail_deploy.local.ports import LOOPBACK, free_ports

PROGRAMS = Path("/usr/lib/postgresql")
SETTINGS = ["fsync=off", "max_connections=60", "shared_buffers=32MB", "log_min_messages=fatal"]


class Postgres:
    """A server with an empty database in a folder of its own."""

    def __init__(self) -> None:
        programs = installed() or install()
        if programs is None:
            reason = "no PostgreSQL server: install postgresql"
            if os.environ.get("CI"):
                pytest.fail(reason)
            pytest.skip(reason)
        # Not below pytest's folder, which the server's user may not enter.
        self._folder = Path(tempfile.mkdtemp(prefix="orgtrail-pg-"))
        self._programs = programs
        self._as = _somebody()
        if self._as:
            os.chown(self._folder, self._as["user"], self._as["group"])
        subprocess.run(
            [programs / "initdb", "-D", self._folder / "data", "-U", "postgres", "-A", "trust",
             "-E", "UTF8", "--locale", "C.UTF-8", "--no-sync"],
            check=True, capture_output=True, cwd="/", **self._as,
        )  # fmt: skip
        self.port = free_ports(1)[0]
        self.url = f"postgresql://postgres@{LOOPBACK}:{self.port}/postgres"
        self.start()

    def start(self) -> None:
        options = [word for setting in SETTINGS for word in ("-c", setting)]
        self._server = subprocess.Popen(
            [self._programs / "postgres", "-D", self._folder / "data", "-h", LOOPBACK,
             "-p", str(self.port), "-k", self._folder, *options],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/", **self._as,
        )  # fmt: skip
        deadline = time.monotonic() + 30
        while True:
            try:
                psycopg.connect(self.url, connect_timeout=5).close()
                return
            except psycopg.OperationalError:
                assert time.monotonic() < deadline, "PostgreSQL did not start"
                time.sleep(0.1)

    def stop(self) -> None:
        """End the sessions and the server."""
        self._server.send_signal(signal.SIGINT)
        self._server.wait(30)

    def remove(self) -> None:
        self.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    def connect(self, **options: Any) -> psycopg.Connection:
        return psycopg.connect(self.url, **options)


def installed() -> Path | None:
    found = [path.parent for path in PROGRAMS.glob("*/bin/initdb")]
    return max(found, key=lambda path: int(path.parent.name), default=None)


def install() -> Path | None:
    """Debian's package, where this process may install it."""
    # Without a cluster of its own, which the package would start.
    install_package("postgresql", "--no-install-recommends")
    return installed()


def _somebody() -> dict[str, Any]:
    """The server refuses to run as root."""
    if os.geteuid() != 0:
        return {}
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
    return {}
