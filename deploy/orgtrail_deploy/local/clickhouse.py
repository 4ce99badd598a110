"""A real ClickHouse server on loopback, from the chdb-core wheel."""

from __future__ import annotations

import sys
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from orgtrail_deploy.local.ports import LOOPBACK
from orgtrail_deploy.local.process import Child


@dataclass(frozen=True, kw_only=True)
class ClickHouseNode:
    """One server: its folder and its ports. ``connects`` are ports that it may connect to."""

    folder: Path
    http_port: int
    tcp_port: int
    connects: tuple[int, ...] = ()


class ClickHouse:
    """A server process with its data in ``node.folder``.

    ``program`` is what Python runs, in the folder ``program_folder``.
    """

    program: tuple[str | Path, ...] = (Path(__file__).with_name("clickhouse_child.py"),)
    program_folder: Path | None = None

    def __init__(self, node: ClickHouseNode, users_xml: str) -> None:
        """Start the server with the given users file. It is not ready yet."""
        self.node = node
        node.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        (node.folder / "config.xml").write_text(self._config(), "utf-8")
        users = node.folder / "users.xml"
        users.touch(mode=0o600)
        users.write_text(users_xml, "utf-8")
        self._child = self._start()

    def _start(self) -> Child:
        return Child(
            "ClickHouse",
            [
                sys.executable,
                *self.program,
                self.node.folder,
                *map(str, (self.node.http_port, self.node.tcp_port)),
                *map(str, self.node.connects),
            ],
            log=self.node.folder / "clickhouse.log",
            cwd=self.program_folder,
            # Keep memory pages that one insert frees for the next one. In a virtual machine a
            # fresh page costs as much as filling it does (docs/benchmarks.md).
            env={"JE_MALLOC_CONF": "dirty_decay_ms:60000"},
        )

    def wait_ready(self, seconds: float = 60) -> None:
        """Return when the server answers over HTTP.

        Raises:
            StackError: the server ended, or does not answer in time.
        """
        url = f"http://{LOOPBACK}:{self.node.http_port}/ping"

        def answers() -> bool:
            try:
                with urllib.request.urlopen(url, timeout=1) as answer:
                    return bool(answer.status == 200)
            except (urllib.error.URLError, OSError):
                return False

        self._child.wait_until(answers, seconds)

    def stop(self) -> None:
        """End the server. Acknowledged data stays on disk for the next start in this folder."""
        self._child.stop(5)

    @property
    def child(self) -> Child:
        """The process, for tests that inject faults."""
        return self._child

    def restart(self) -> None:
        """Start the server again with the same data, after ``stop`` or a kill."""
        self._child = self._start()

    def _config(self) -> str:
        root = ElementTree.Element("clickhouse")
        for key, value in {
            "listen_host": LOOPBACK,
            "http_port": str(self.node.http_port),
            "tcp_port": str(self.node.tcp_port),
            "users_config": "users.xml",
            # If it is there, even empty, the server does not let every web page read its answers.
            "http_options_response": "",
        }.items():
            ElementTree.SubElement(root, key).text = value
        _only_own_addresses(ElementTree.SubElement(root, "http_handlers"), self.node.http_port)
        return ElementTree.tostring(root, encoding="unicode") + "\n"


def _only_own_addresses(handlers: ElementTree.Element, port: int) -> None:
    """Answer HTTP requests to an address of this machine, of no web page elsewhere.

    A page whose host's name was made to lead to this machine (DNS rebinding) sends that name as
    ``Host``, and a page's script its own address as ``Origin``.
    """
    here = r"(127\.0\.0\.1|localhost|\[::1\])"
    for kind, address in (("ping", "/ping"), ("dynamic_query_handler", None)):
        rule = ElementTree.SubElement(handlers, "rule")
        if address:
            ElementTree.SubElement(rule, "url").text = address
        headers = ElementTree.SubElement(rule, "headers")
        ElementTree.SubElement(headers, "Host").text = rf"regex:{here}(:\d+)?"
        ElementTree.SubElement(headers, "Origin").text = f"regex:(http://{here}:{port})?"
        handler = ElementTree.SubElement(rule, "handler")
        ElementTree.SubElement(handler, "type").text = kind
        if kind == "dynamic_query_handler":
            ElementTree.SubElement(handler, "query_param_name").text = "query"
    refusal = ElementTree.SubElement(ElementTree.SubElement(handlers, "rule"), "handler")
    ElementTree.SubElement(refusal, "type").text = "static"
    ElementTree.SubElement(refusal, "status").text = "403"
    ElementTree.SubElement(refusal, "response_content").text = "not an address of this machine\n"
