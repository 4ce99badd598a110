"""A fence around the local ClickHouse: the operating system lets it touch only its own folder.

ClickHouse's function ``file()`` needs no grant, and the embedded server does not limit it to a
folder as a real one does. Without a fence, whoever may query could read any file of the user.
"""

from __future__ import annotations

from pathlib import Path

from py_landlock import AccessFs, Landlock, LandlockError
from py_landlock.landlock_sys import get_abi_version

NO_FENCE = (
    "This system has no Landlock, so the local ClickHouse can read the files of this user."
    " Give its passwords to nobody."
)

# What the server reads about the machine; not all of it is there on each system.
_MACHINE = (
    "/dev/null", "/dev/random", "/dev/urandom", "/etc/localtime", "/proc/cpuinfo", "/proc/loadavg",
    "/proc/meminfo", "/proc/self", "/proc/stat", "/proc/sys/kernel", "/proc/sys/vm",
    "/sys/devices/system/cpu", "/sys/fs/cgroup", "/usr/share/zoneinfo",
)  # fmt: skip


# Version 1 lets nobody move a file to another folder, as ClickHouse does.
_OLDEST_VERSION = 2


def has_fence() -> bool:
    """Whether this system can fence a process that moves its files."""
    try:
        return int(get_abi_version()) >= _OLDEST_VERSION
    except LandlockError:
        return False


def fence(data: Path, programs: Path, ports: list[int], connects: list[int]) -> None:
    """From now on this thread, and those that it starts, touch only ``data``.

    They may read ``programs``, listen on ``ports``, and connect to the ports ``connects``.

    Raises:
        LandlockError: this system cannot fence a process.
    """
    everything = AccessFs(sum(AccessFs))
    landlock = Landlock(strict=False).add_path_rule(data, access=everything)
    landlock.allow_read(programs).allow_execute(programs)
    for path in map(Path, _MACHINE):
        if path.is_dir():
            landlock.allow_read(path)
        elif path.exists():
            landlock.add_path_rule(path, access=AccessFs.READ_FILE)
    landlock.allow_network(*ports, connect=False)
    landlock.allow_network(*connects, bind=False).apply()
