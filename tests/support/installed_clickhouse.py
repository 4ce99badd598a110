"""A ClickHouse whose users are made by our commands, as on a production server."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import clickhouse_connect
import httpx
from clickhouse_connect.driver.client import Client
from tests.support.admin import ADMIN, admin_client, with_admin
from tests.support.sql_users import SqlClickHouse, only_admin

from orgtrail_deploy.local.clickhouse import ClickHouseNode
from orgtrail_deploy.local.ports import LOOPBACK, free_ports
from orgtrail_schemas.access import Analyst, passwords_wanted, users_xml

ANALYSTS = [
    Analyst("ana", ("acme", "globex")),
    Analyst("nobody_yet", ("nothing-stored",)),
    Analyst("all_of_them", ("*",)),
]
PASSWORDS = {
    name: f"password of {name}" for name in [*passwords_wanted(), *(a.name for a in ANALYSTS)]
}
LIST = """
# Kept by operators.
[analysts]
ana = ["acme", "globex"]  # until June
nobody_yet = ["nothing-stored"]
all_of_them = "all"
"""


class InstalledClickHouse:
    """A ClickHouse of its own, and the Kafka of the stack."""

    def __init__(
        self,
        folder: Path,
        brokers: str,
        server: Callable[[ClickHouseNode, str], SqlClickHouse] = SqlClickHouse,
        node: ClickHouseNode | None = None,
    ) -> None:
        """``server`` makes one at a node, with a users file; ``node``: by default on free ports."""
        self.brokers = brokers
        http, tcp = free_ports(2)
        self.node = node or ClickHouseNode(folder=folder, http_port=http, tcp_port=tcp)
        http = self.node.http_port
        users = with_admin(only_admin(users_xml(PASSWORDS, [])))
        self.clickhouse = server(self.node, users)
        self.clickhouse.wait_ready()
        self.admin = admin_client(http)
        self.list = folder / "analysts.toml"
        self.list.write_text(LIST)

    def run(
        self, command: str, *arguments: str, **settings: str
    ) -> subprocess.CompletedProcess[str]:
        """One of our commands, with its settings in the environment as an operator gives them."""
        done = subprocess.run(
            [sys.executable, "-m", "orgtrail_deploy.cli", command, *arguments],
            env=os.environ | self.environment(**settings),
            capture_output=True,
            text=True,
            check=False,
        )
        assert "Traceback" not in done.stderr, done.stderr
        return done

    def environment(self, **settings: str) -> dict[str, str]:
        """All passwords and addresses, as each process reads them."""
        given = {
            f"CLICKHOUSE_{n.removeprefix('audit_').upper()}_PASSWORD": p
            for n, p in PASSWORDS.items()
        }
        given |= {
            "CLICKHOUSE_PORT": str(self.node.http_port),
            "CLICKHOUSE_ADMIN_USER": ADMIN,
            "CLICKHOUSE_ADMIN_PASSWORD": ADMIN,
            "ANALYSTS_FILE": str(self.list),
            "KAFKA_BROKERS": self.brokers,
            "SPOOL_DIR": str(self.list.with_name("spool")),
            **settings,
        }
        return {f"ORGTRAIL_{name}": value for name, value in given.items()}

    def apply(self, **settings: str) -> subprocess.CompletedProcess[str]:
        """The services' users and the analysts of the file, as after an installation."""
        done = self.run("access", "--apply", **settings)
        return done if done.returncode else self.run("grants", "--apply", **settings)

    def client(self, user: str, **more: Any) -> Client:
        return clickhouse_connect.get_client(
            host=LOOPBACK,
            port=self.node.http_port,
            username=user,
            password=PASSWORDS.get(user, user),
            autogenerate_session_id=False,
            **more,
        )

    def ask(self, user: str, sql: str, **more: Any) -> Sequence[Sequence[Any]]:
        with self.client(user) as client:
            rows: Sequence[Sequence[Any]] = client.query(sql, **more).result_rows
            return rows

    def post(self, user: str, sql: str, settings: dict[str, Any]) -> httpx.Response:
        """By HTTP alone: the library leaves out the settings that it knows to be refused."""
        address = f"http://{LOOPBACK}:{self.node.http_port}/"
        return httpx.post(address, params=settings, content=sql, auth=(user, PASSWORDS[user]))
