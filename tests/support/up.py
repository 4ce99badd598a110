"""``orgtrail up`` as a child process, as a person would run it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import psutil
from tests.support.running import eventually

from orgtrail_deploy.local.ports import free_ports
from orgtrail_deploy.local.settings import LocalSettings

ORGTRAIL = [sys.executable, "-m", "orgtrail_deploy.cli"]


def environment(home: Path, **more: str) -> dict[str, str]:
    """A folder of its own and free ports, beside what this process has."""
    names = list(LocalSettings.__struct_fields__)
    ports = {
        f"ORGTRAIL_UP_{n.upper()}": str(p)
        for n, p in zip(names, free_ports(len(names)), strict=True)
    }
    kept = {k: v for k, v in os.environ.items() if not k.startswith("ORGTRAIL_")}
    return kept | ports | {"ORGTRAIL_HOME": str(home)} | more


def orgtrail(*arguments: str, env: dict[str, str], text: str | None = None, seconds: float = 120):
    """Run a command to its end."""
    return subprocess.run(
        [*ORGTRAIL, *arguments],
        env=env,
        input=text,
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )


class Up:
    """A running ``orgtrail up`` with what it printed."""

    def __init__(self, env: dict[str, str], log: Path) -> None:
        self.env = env
        self._log = log
        with log.open("w") as out:
            self.process = subprocess.Popen(
                [*ORGTRAIL, "up"], env=env, stdout=out, stderr=subprocess.STDOUT
            )
        eventually(lambda: "Ctrl-C stops" in self.printed or self.process.poll() is not None, 120)
        assert self.process.poll() is None, self.printed

    @property
    def printed(self) -> str:
        return self._log.read_text()

    def line(self, pattern: str) -> str:
        """The printed line that holds a pattern, without its indent."""
        return re.search(rf"^ *(.*{pattern}.*)$", self.printed, re.MULTILINE)[1]

    def child(self, word: str) -> psutil.Process:
        """The living child whose command line has a word."""

        def found() -> psutil.Process | None:
            for child in psutil.Process(self.process.pid).children(recursive=True):
                with suppress(psutil.NoSuchProcess, psutil.ZombieProcess):
                    if word in " ".join(child.cmdline()):
                        return child
            return None

        return eventually(found, 20)

    def interrupt(self) -> list[psutil.Process]:
        """Ctrl-C; the processes that are still there afterwards."""
        family = [*psutil.Process(self.process.pid).children(recursive=True)]
        assert len(family) >= 4
        self.process.send_signal(signal.SIGINT)
        assert self.process.wait(60) == 0
        return psutil.wait_procs(family, timeout=1)[1]
