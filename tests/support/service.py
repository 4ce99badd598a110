"""Another query service beside the stack's own, with settings of its own."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
from tests.support.running import Running, eventually

from orgtrail_deploy.local.ports import LOOPBACK, free_ports
from orgtrail_deploy.local.process import Child


class OwnService:
    """One that runs; ``url`` is its address."""

    def __init__(self, running: Running, folder: Path, settings: dict[str, str]) -> None:
        port = free_ports(1)[0]
        self.url = f"http://{LOOPBACK}:{port}"
        self.child = Child(
            "a query service",
            [sys.executable, "-m", "orgtrail_deploy.cli", "serve"],
            log=folder / f"serve-{port}.log",
            env=running.stack.environment()
            | {
                "ORGTRAIL_PORT": str(port),
                "ORGTRAIL_PUBLIC_URL": self.url,
                "ORGTRAIL_SPOOL_DIR": str(folder / f"spool-{port}"),
            }
            | settings,
        )
        eventually(self._alive, 60)

    def get(self, path: str, token: str, **more: object) -> httpx.Response:
        headers = {"Authorization": f"Bearer {token}"}
        return httpx.get(self.url + path, headers=headers, timeout=30, **more)  # type: ignore[arg-type]

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
    """A service for the block; ``settings`` are named without ORGTRAIL_, in small letters."""
    made = OwnService(running, folder, {f"ORGTRAIL_{k.upper()}": v for k, v in settings.items()})
    try:
        yield made
    finally:
        made.child.stop()
