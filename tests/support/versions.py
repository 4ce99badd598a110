"""Earlier versions of Orgtrail, from the repository's history, each with the packages of its lock."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path

from tests.support.tools import kept

ROOT = Path(__file__).resolve().parents[2]
_MIGRATIONS = "schemas/orgtrail_schemas/migrations"
_FOLDERS = ("schemas", "producers", "consumers", "query_service", "deploy")


def earlier_versions() -> list[str]:
    """The commit before each one that added migrations, oldest first; none without a history."""
    found: list[str] = []
    for migration in sorted(path.name for path in (ROOT / _MIGRATIONS).glob("*.sql")):
        path = f"{_MIGRATIONS}/{migration}"
        *_, added = _git("log", "--diff-filter=A", "--format=%H %P", "--", path).splitlines() or [
            ""
        ]
        _, _, parent = added.partition(" ")
        if parent and parent not in found and _git("ls-tree", parent, _MIGRATIONS):
            found.append(parent)
    return found


def newest_migration(commit: str) -> int:
    """The number of the last migration of a version."""
    names = _git("ls-tree", "--name-only", commit, f"{_MIGRATIONS}/").split()
    return max(int(Path(name).name.partition("_")[0]) for name in names)


class Version:
    """An earlier version, unpacked and with an environment of its own in the tools' cache."""

    def __init__(self, commit: str) -> None:
        folder = kept(f"orgtrail-{commit}", lambda made: _install(commit, made))
        self.python = folder / "venv" / "bin" / "python"
        self._path = os.pathsep.join(str(folder / name) for name in _FOLDERS)

    def command(self, *words: str) -> list[str | Path]:
        return [self.python, "-m", "orgtrail_deploy.cli", *words]

    def environment(self, settings: Mapping[str, str]) -> dict[str, str]:
        return {**settings, "PYTHONPATH": self._path}

    def run(self, *words: str, settings: Mapping[str, str], stdin: str = "") -> str:
        done = subprocess.run(
            self.command(*words),
            env=os.environ | self.environment(settings),
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


def events(org: str, ids: Sequence[str]) -> str:
    """Lines for ``orgtrail emit``, which every version reads."""
    return "".join(
        json.dumps(
            {
                "event": "org.user.role.updated",
                "event_id": event_id,
                "org_id": org,
                "actor": {"type": "user", "id": "u-1", "email": "ana@acme.example"},
                "targets": [{"type": "user", "id": "u-2", "email": "bob@acme.example"}],
                "changes": [{"field": "role", "old": "member", "new": "admin"}],
                "context": {"ip": "203.0.113.7", "service": "accounts"},
            }
        )
        + "\n"
        for event_id in ids
    )


def _install(commit: str, folder: Path) -> None:
    with tarfile.open(fileobj=BytesIO(_archive(commit))) as archive:
        archive.extractall(folder, filter="data")
    uv = Path(sys.executable).with_name("uv")
    subprocess.run([uv, "venv", "-q", "-p", sys.executable, folder / "venv"], check=True)
    python = folder / "venv" / "bin" / "python"
    lock = folder / "requirements.lock"
    subprocess.run([uv, "pip", "sync", "-q", "--require-hashes", "-p", python, lock], check=True)


def _archive(commit: str) -> bytes:
    command = ["git", "archive", commit, "requirements.lock", *_FOLDERS]
    return subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout


def _git(*words: str) -> str:
    done = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else ""
