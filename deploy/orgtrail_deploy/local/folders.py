"""The folders of the local stack. Its data is in one folder, which git ignores."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import IO

from orgtrail_deploy.errors import StackError
from orgtrail_deploy.local.settings import FolderSettings

_LOCK = "lock"


def default_root() -> Path:
    """The folder in ``ORGTRAIL_HOME``, by default ``.orgtrail`` in the working directory."""
    return FolderSettings.load().home.absolute()


def jar_cache() -> Path:
    """The folder of verified jars, which all checkouts of this user share."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "orgtrail" / "jars"


def make_private(folder: Path) -> Path:
    """Create the folder if it is missing, readable only by its owner, and return it.

    Raises:
        StackError: the folder cannot be created or written to.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        probe = folder / f".writable-{os.getpid()}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise StackError(
            f"cannot write to {folder} ({error.strerror}): make it writable,"
            " or set ORGTRAIL_HOME to a writable folder"
        ) from error
    return folder


def lock(root: Path) -> IO[str]:
    """Lock the folder for this process until the returned file is closed.

    Raises:
        StackError: another stack is running in the folder.
    """
    handle = (root / _LOCK).open("a+")
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        handle.close()
        raise StackError(
            f"a stack is already running in {root} (process {running(root)}): stop it with"
            " orgtrail down, or set ORGTRAIL_HOME to another folder"
        ) from error
    handle.truncate(0)
    handle.write(str(os.getpid()))
    handle.flush()
    return handle


def running(root: Path) -> int | None:
    """The process ID of the stack that runs in the folder; ``None`` if none does."""
    try:
        with (root / _LOCK).open() as handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except OSError:
                text = handle.read()
                return int(text) if text.isdecimal() else None
    except OSError:
        pass
    return None
