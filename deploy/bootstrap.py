"""Create the project's environment in .orgtrail/venv from the lock file. It needs only Python.

It runs before anything is installed, so it imports only the standard library. Running it again does
nothing until the lock, the project's metadata or Python itself changes.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".orgtrail" / "venv"
STAMP = VENV / ".orgtrail-stamp"


def main() -> int:
    """Create or refresh the environment. Return 0, or 1 after printing one line on the failure."""
    if sys.version_info < (3, 11):  # noqa: UP036 - this is the check itself
        return _fail(f"Python 3.11 or later is required; this is {sys.version.split()[0]}")
    wanted = _fingerprint()
    if STAMP.exists() and STAMP.read_text("utf-8") == wanted:
        return 0
    shutil.rmtree(VENV, ignore_errors=True)
    try:
        VENV.parent.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        return _fail(f"cannot write to {VENV.parent} ({error.strerror}): make it writable")
    for text, command in _steps():
        print(f"{text} …", flush=True)
        done = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
        if done.returncode:
            shutil.rmtree(VENV, ignore_errors=True)
            lines = (done.stderr or done.stdout).strip().splitlines() or ["no output"]
            return _fail(f"{text[0].lower()}{text[1:]} failed: {_error_line(lines)}")
    STAMP.write_text(wanted, "utf-8")
    return 0


def _steps() -> list[tuple[str, list[str]]]:
    python = str(VENV / "bin" / "python")
    uv = [python, "-m", "uv", "pip", "install", "--quiet", "--python", python]
    return [
        ("Creating the environment", [sys.executable, "-m", "venv", str(VENV)]),
        (
            "Installing uv",
            [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check",
             "--require-hashes", "-r", "deploy/bootstrap.lock"],
        ),
        (
            "Installing the locked packages (330 MB if nothing is cached)",
            [*uv, "--require-hashes", "-r", "requirements.lock"],
        ),
        ("Installing Orgtrail", [*uv, "--no-deps", "--no-build-isolation", "--editable", "."]),
    ]  # fmt: skip


def _error_line(lines: list[str]) -> str:
    if any("ensurepip" in line for line in lines):
        return "this Python has no venv module; on Debian and Ubuntu, run apt install python3-venv"
    return next((line for line in lines if "rror" in line), lines[-1])[:300]


def _fingerprint() -> str:
    digest = hashlib.sha256(f"{sys.version} {ROOT}".encode())
    for name in ("requirements.lock", "deploy/bootstrap.lock", "pyproject.toml"):
        digest.update((ROOT / name).read_bytes())
    return digest.hexdigest()


def _fail(message: str) -> int:
    print(f"orgtrail: {message}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
