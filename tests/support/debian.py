"""Debian's packages, where this process may install them."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

_LOCK = Path(tempfile.gettempdir()) / "orgtrail-tests-apt.lock"


def install_package(name: str, *options: str) -> None:
    """Install a package if this is Debian and this user is root; else nothing happens.

    Tests run in several processes. They wait for one another here: apt does not wait for the lists
    that another process fetches, it fails.
    """
    if shutil.which("apt-get") is None or os.geteuid() != 0:
        return
    quiet = {"env": {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}, "capture_output": True}
    with _LOCK.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for command in (["update", "-q"], ["install", "-y", "-q", *options, name]):
            subprocess.run(
                ["apt-get", "-o", "DPkg::Lock::Timeout=300", *command], check=False, **quiet
            )
