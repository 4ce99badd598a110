"""A real nginx with TLS: an installed one, else Debian's package; configured as the docs say."""

from __future__ import annotations

import os
import re
import shutil
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.support.certificates import Authority
from tests.support.debian import install_package
from tests.support.running import eventually

from orgtrail_deploy.local.ports import LOOPBACK

DOCUMENT = Path(__file__).resolve().parents[2] / "docs/proxies.md"
_AROUND = """
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
user root;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
{server}
}}
"""


def documented() -> str:
    """The block of the docs."""
    (block,) = re.findall(r"```nginx\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    return str(block)


@contextmanager
def nginx(folder: Path, port: int, behind: int, *, strips: bool = False) -> Iterator[Path]:
    """One that serves HTTPS on ``port``; the path is that of its authority's certificate.

    ``behind`` is the service's port. With ``strips`` it removes the path before passing it on.
    """
    program = shutil.which("nginx") or _install()
    if program is None:
        reason = "no nginx: install nginx"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    authority = Authority(folder)
    certificate, key = authority.issue("server", folder)
    server = documented()
    for text, replaced in {
        "listen 443": f"listen {LOOPBACK}:{port}",
        "server_name example.com": f"server_name {LOOPBACK}",
        "/etc/ssl/example.com.crt": str(certificate),
        "/etc/ssl/example.com.key": str(key),
        "http://127.0.0.1:8080;": f"http://{LOOPBACK}:{behind}{'/' if strips else ''};",
        # The default port would be left out of it.
        "Host $host": "Host $http_host",
    }.items():
        assert text in server, text
        server = server.replace(text, replaced)
    configuration = folder / "nginx.conf"
    configuration.write_text(_AROUND.format(folder=folder, server=server))
    process = subprocess.Popen(
        [program, "-c", configuration, "-e", folder / "error.log"], stderr=subprocess.DEVNULL
    )
    try:
        eventually(lambda: _serves(port, certificate), 20)
        yield authority.file
    finally:
        process.terminate()
        process.wait(20)


def _serves(port: int, certificate: Path) -> bool:
    try:
        return (
            bool(ssl.get_server_certificate((LOOPBACK, port), timeout=2)) and certificate.exists()
        )
    except OSError:
        return False


def _install() -> str | None:
    """Debian's package, where this process may install it."""
    install_package("nginx-light")
    return shutil.which("nginx")
