"""``make test``: all tests, in three runs that each use the cores as they can.

Unit tests share the cores. Tests on real servers run two at a time, each with a stack of its own.
Fault injection runs alone: it measures times.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RUNS = (
    ["tests/unit", "tests/contract", "-n", "3", "--dist", "worksteal"],
    ["tests/integration", "tests/attack", "tests/browser", "-n", "2", "--dist", "loadfile"],
    ["tests/chaos"],
)
_NOTHING_SELECTED = 5


def main(arguments: list[str]) -> int:
    """Run all three, also after a failure; 0 if every test that was selected passed."""
    codes = [
        subprocess.run(
            [sys.executable, "-m", "pytest", *run, *arguments], cwd=ROOT, check=False
        ).returncode
        for run in RUNS
    ]
    if all(code == _NOTHING_SELECTED for code in codes):
        return _NOTHING_SELECTED
    return max(code for code in codes if code != _NOTHING_SELECTED)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
