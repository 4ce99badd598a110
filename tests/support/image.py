"""The container image, really built and run without Docker: buildah builds it, chroot runs it.

It needs root on a Debian system with the packages buildah and debootstrap. The base image is made
of Debian's own packages, because no registry of images is reached.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.tools import kept

from orgtrail_deploy.local.process import Child

ROOT = Path(__file__).resolve().parents[2]
BASE = "docker.io/library/python:3.11-slim"
_PACKAGES = "ca-certificates,python3,python3-venv,python3-pip,python-is-python3"
_NEEDLESS = (
    "var/cache/apt",
    "var/lib/apt/lists",
    "usr/share/doc",
    "usr/share/man",
    "usr/share/locale",
)
_CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"
_BUILDAH = ("buildah", "--storage-driver", "vfs")


def missing_tools() -> list[str]:
    """What a machine lacks to build the image."""
    lacking = [name for name in ("buildah", "debootstrap") if shutil.which(name) is None]
    return lacking + (["root"] if os.geteuid() else [])


def _run(*command: str | Path, cwd: Path = ROOT) -> str:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}: {(done.stdout + done.stderr)[-3000:]}"
    return done.stdout.strip()


def _base_system() -> Path:
    def make(folder: Path) -> None:
        _run(
            "debootstrap", "--variant=minbase", f"--include={_PACKAGES}", "bookworm",
            folder / "root",
        )  # fmt: skip
        for name in _NEEDLESS:
            shutil.rmtree(folder / "root" / name, ignore_errors=True)

    return kept("python-3.11-slim", make) / "root"


class Image:
    """The image, and its files unpacked in ``folder``. Always call ``remove``."""

    def __init__(self) -> None:
        container = _run(*_BUILDAH, "from", "scratch")
        _run(*_BUILDAH, "copy", container, _base_system(), "/")
        # What this machine trusts: it may reach the registry of packages by a proxy.
        _run(*_BUILDAH, "copy", container, _CERTIFICATES, _CERTIFICATES)
        _run(
            *_BUILDAH,
            "config",
            "--env",
            "PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
            container,
        )
        _run(*_BUILDAH, "commit", "--rm", container, BASE)
        _run(
            *_BUILDAH, "bud", "--isolation", "chroot", "--pull-never", "--network", "host",
            "--env", f"PIP_CERT={_CERTIFICATES}",
            "-f", "deploy/Dockerfile", "-t", "orgtrail", ".",
        )  # fmt: skip
        self._container = _run(*_BUILDAH, "from", "--pull-never", "orgtrail")
        self.folder = Path(_run(*_BUILDAH, "mount", self._container))

    def remove(self) -> None:
        _run(*_BUILDAH, "rm", self._container)

    def megabytes(self) -> float:
        """The size of all files."""
        return (
            sum(file.lstat().st_size for file in self.folder.rglob("*") if not file.is_symlink())
            / 1e6
        )

    def command(self, *arguments: str, data: Path) -> list[str | Path]:
        """How to run a command: as user 10001, on a read-only root with two writable folders."""
        script = """
set -e
mount --bind "$0" "$0"
mount -o remount,ro,bind "$0"
mount -t tmpfs tmp "$0/tmp"
mount --bind "$1" "$0/var/lib/orgtrail"
shift
exec chroot --userspec=10001:10001 "$0" "$@"
"""
        return [
            # Without a fork, so that a signal reaches the process itself.
            "unshare", "--mount", "sh", "-c", script,
            self.folder, data, "orgtrail", *arguments,
        ]  # fmt: skip

    @contextmanager
    def process(
        self, *arguments: str, data: Path, env: dict[str, str], files: dict[str, str] | None = None
    ) -> Iterator[Child]:
        """``files`` are copied into the data folder, under these names."""
        data.mkdir()
        for name, source in (files or {}).items():
            shutil.copyfile(source, data / name)
            (data / name).chmod(0o644)
        os.chown(data, 10001, 10001)
        log = data.with_suffix(".log")
        own = {"PATH": "/opt/orgtrail/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/tmp"}
        child = Child("a container", self.command(*arguments, data=data), log=log, env=env | own)
        try:
            yield child
        finally:
            child.stop(20)
