"""Runs a server as a child process: starts it, waits until it is ready, and always stops it."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from orgtrail_deploy.errors import StackError

_PR_SET_PDEATHSIG = 1
_MOST_REVIVALS = 3
_REVIVALS_WITHIN_S = 60


class Child:
    """One child process with its log file."""

    def __init__(
        self,
        name: str,
        command: Sequence[str | Path],
        *,
        log: Path,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
    ) -> None:
        """Start it. Its output goes to ``log``. ``env`` extends this process's environment."""
        self.name = name
        self.log = log
        self._command = [str(part) for part in command]
        self._cwd = cwd
        self._env = {**os.environ, **(env or {})}
        self._revived_at: list[float] = []
        log.parent.mkdir(parents=True, exist_ok=True)
        self._process = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as out:
            return subprocess.Popen(  # noqa: S603
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                cwd=self._cwd,
                env=self._env,
                # With a session of its own, Ctrl-C reaches only the parent, which stops the
                # children in order.
                start_new_session=True,
                preexec_fn=_die_with_parent if sys.platform == "linux" else None,  # noqa: PLW1509
            )

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether the process is still running."""
        return self._process.poll() is None

    def wait_until(self, ready: Callable[[], bool], seconds: float) -> None:
        """Return when ``ready()`` is true.

        Raises:
            StackError: the process ended, or was not ready within ``seconds``.
        """
        deadline = time.monotonic() + seconds
        while not ready():
            if not self.running:
                raise StackError(f"{self.name} ended while starting: {self._last_line()}")
            if time.monotonic() > deadline:
                raise StackError(f"{self.name} was not ready after {seconds:.0f} s: see {self.log}")
            time.sleep(0.05)

    def revive(self) -> str | None:
        """Start it again if it ended; return a line that says so, with its last words.

        Raises:
            StackError: it ended again and again.
        """
        if self.running:
            return None
        ended = f"{self.name} ended (status {self._process.returncode}): {self._last_line()}"
        now = time.monotonic()
        self._revived_at = [at for at in self._revived_at if now - at < _REVIVALS_WITHIN_S]
        if len(self._revived_at) >= _MOST_REVIVALS:
            raise StackError(f"{ended}; it was started again {_MOST_REVIVALS} times in vain")
        self._revived_at.append(now)
        self._process = self._start()
        return f"{ended}. It is started again."

    def stop(self, seconds: float = 15) -> None:
        """Terminate the process. Kill it if it does not end within ``seconds``."""
        if self.running:
            self._process.terminate()
            try:
                self._process.wait(seconds)
            except subprocess.TimeoutExpired:
                self._process.kill()
        self._process.wait()

    def kill(self) -> None:
        """Kill the process at once (SIGKILL)."""
        self._process.kill()
        self._process.wait()

    def signal(self, number: signal.Signals) -> None:
        """Send the process a signal."""
        self._process.send_signal(number)

    def _last_line(self) -> str:
        lines = self.log.read_text("utf-8", errors="replace").strip().splitlines()
        return f"{lines[-1][:300] if lines else 'no output'} (see {self.log})"


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
