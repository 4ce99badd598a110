"""Where the local stack keeps what it makes: one folder, ignored by git."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import IO

from orgtrail_deploy.errors import StackError
from orgtrail_deploy.local.settings import FolderSettings


def default_root() -> Path:
    """``.orgtrail`` in the working directory, or what ``ORGTRAIL_HOME`` names."""
    return FolderSettings.load().home.absolute()


def jar_cache() -> Path:
    """Where verified jars are kept for every checkout of this user."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "orgtrail" / "jars"


def make_private(folder: Path) -> Path:
    """The folder, made when it is missing, readable by its owner only.

    Raises:
        StackError: it cannot be made or written to.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        probe = folder / f".writable-{os.getpid()}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise StackError(
            f"cannot write to {folder} ({error.strerror}): make it writable,"
            " or set ORGTRAIL_HOME to a folder that is"
        ) from error
    return folder


def lock(root: Path) -> IO[str]:
    """Hold the folder for this process until the returned file is closed.

    Raises:
        StackError: another stack runs in it.
    """
    handle = (root / "lock").open("w")
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        handle.close()
        raise StackError(
            f"a stack already runs in {root}: stop it first, or set ORGTRAIL_HOME to another folder"
        ) from error
    return handle
