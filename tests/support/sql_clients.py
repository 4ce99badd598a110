"""The environment of ``docs/clients.md``: other people's clients, installed from a lock of their own."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import msgspec

from orgtrail_deploy.local.folders import jar_cache
from orgtrail_deploy.local.jars import Jar, ensure_jars

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "clients.md"
_FOLDER = ROOT / "tests" / "clients"
_LOCK = _FOLDER / "requirements.lock"
_MADE = ROOT / ".orgtrail" / "clients"


class _Jars(msgspec.Struct):
    jar: list[Jar]


def client_python() -> Path:
    """The interpreter of the environment. It is made anew when the lock has changed."""
    python, stamp = _MADE / "bin" / "python", _MADE / ".made"
    state = hashlib.sha256(_LOCK.read_bytes()).hexdigest()
    if not stamp.exists() or stamp.read_text() != state:
        uv = Path(sys.executable).with_name("uv")
        subprocess.run([uv, "venv", "-q", "--clear", "-p", sys.executable, _MADE], check=True)
        subprocess.run(
            [uv, "pip", "sync", "-q", "--require-hashes", "-p", python, _LOCK], check=True
        )
        stamp.write_text(state)
    return python


def jdbc_jars() -> list[Path]:
    """The JDBC driver and what it needs."""
    locked = msgspec.toml.decode((_FOLDER / "jdbc.lock.toml").read_bytes(), type=_Jars)
    return ensure_jars(jar_cache(), lambda *_: None, locked.jar)
