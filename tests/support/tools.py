"""Programs that ``make deploy-test`` needs and Python's registry lacks, kept in the user's cache."""

from __future__ import annotations

import os
import subprocess
from functools import cache
from pathlib import Path


def cache_folder() -> Path:
    """Where they are kept from one run to the next."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "orgtrail" / "tools"


@cache
def debian(package: str) -> Path:
    """The folder of an unpacked Debian package. Nothing is installed; a Debian system is needed."""
    folder = cache_folder() / package
    if not folder.exists():
        staged = folder.with_name(f"{package}.new")
        staged.mkdir(parents=True, exist_ok=True)
        subprocess.run(["apt-get", "download", "-q", package], cwd=staged, check=True)
        (archive,) = staged.glob("*.deb")
        subprocess.run(["dpkg", "-x", archive, staged], check=True)
        archive.unlink()
        staged.rename(folder)
    return folder


def prometheus() -> Path:
    return debian("prometheus") / "usr" / "bin" / "prometheus"


def promtool() -> Path:
    return debian("prometheus") / "usr" / "bin" / "promtool"
