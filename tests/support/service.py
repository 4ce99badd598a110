"""Query services of a test's own: beside the stack's, or over other servers."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import httpx
from tests.support.running import Running, eventually

from orgtrail_deploy.local.issuer import AUDIENCE, ISSUER, ensure_issuer, jwks_file
from orgtrail_deploy.local.ports import LOOPBACK, free_ports
from orgtrail_deploy.local.process import Child


class Servers(Protocol):
    """A broker and a ClickHouse; ``root`` is a folder for the issuer's keys."""

    root: Path
    passwords: Mapping[str, str]
    http_port: int
    brokers: str


class OwnService:
    """One that runs; ``url`` is its address."""

    def __init__(self, environment: Mapping[str, str], folder: Path) -> None:
        self.port = port = free_ports(1)[0]
        self.url = f"http://{LOOPBACK}:{port}"
        self.child = Child(
            "a query service",
            [sys.executable, "-m", "orgtrail_deploy.cli", "serve"],
            log=folder / f"serve-{port}.log",
            env={
                "ORGTRAIL_SPOOL_DIR": str(folder / f"spool-{port}"),
                "ORGTRAIL_PUBLIC_URL": self.url,
                **environment,
                "ORGTRAIL_PORT": str(port),
            },
        )
        eventually(self._alive, 60)

    def get(self, path: str, token: str, **more: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {token}"}
        return httpx.get(self.url + path, headers=headers, timeout=30, **more)

    @property
    def log(self) -> str:
        return self.child.log.read_text("utf-8", errors="replace")

    def _alive(self) -> bool:
        assert self.child.running, self.log
        try:
            return httpx.get(f"{self.url}/livez", timeout=2).status_code == 200
        except httpx.HTTPError:
            return False


@contextmanager
def own_service(running: Running, folder: Path, **settings: str) -> Iterator[OwnService]:
    """Beside the stack's; ``settings`` are named without ORGTRAIL_, in small letters."""
    named = {f"ORGTRAIL_{name.upper()}": value for name, value in settings.items()}
    without = {"ORGTRAIL_SPOOL_DIR", "ORGTRAIL_PUBLIC_URL"}
    stack = {k: v for k, v in running.stack.environment().items() if k not in without}
    with _running(stack | named, folder) as made:
        yield made


@contextmanager
def service_over(servers: Servers, folder: Path, **settings: str) -> Iterator[OwnService]:
    """Over servers that are no stack's."""
    named = {f"ORGTRAIL_{name.upper()}": value for name, value in settings.items()}
    with _running(service_environment(servers) | named, folder) as made:
        yield made


def service_environment(servers: Servers) -> dict[str, str]:
    """The settings of a query service over them; tokens are the local issuer's of ``root``."""
    ensure_issuer(servers.root)
    return {
        "ORGTRAIL_CLICKHOUSE_PORT": str(servers.http_port),
        "ORGTRAIL_CLICKHOUSE_READER_PASSWORD": servers.passwords["audit_reader"],
        "ORGTRAIL_CLICKHOUSE_EXPORT_PASSWORD": servers.passwords["audit_export"],
        "ORGTRAIL_KAFKA_BROKERS": servers.brokers,
        "ORGTRAIL_JWT_ISSUER": ISSUER,
        "ORGTRAIL_JWT_AUDIENCE": AUDIENCE,
        "ORGTRAIL_JWKS_FILE": str(jwks_file(servers.root)),
        "ORGTRAIL_SECRET": "a-secret-for-a-benchmark-of-32-bytes!",
        "ORGTRAIL_SECURE_COOKIES": "false",
        "ORGTRAIL_RATE_LIMIT": "1000000",
    }


@contextmanager
def _running(environment: Mapping[str, str], folder: Path) -> Iterator[OwnService]:
    made = OwnService(environment, folder)
    try:
        yield made
    finally:
        made.child.stop()
