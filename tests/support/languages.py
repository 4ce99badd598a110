"""The programs of ``tests/languages``: built once into an ignored folder, then run."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.support.vectors import FOLDER as VECTORS

import orgtrail_schemas

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ROOT / "tests" / "languages"
BUILDS = ROOT / ".orgtrail" / "languages"
SCHEMA = Path(orgtrail_schemas.__file__).parent / "avro" / "audit_event.v1.avsc"


@dataclass(frozen=True)
class Language:
    """What a program needs on the machine, how it is built, and how it is run, in its folder."""

    name: str
    tools: tuple[str, ...]
    build: tuple[str, ...]
    run: tuple[str, ...]


_MADE = {"emit", "node_modules", "target"}
"""What a build in the source folder leaves there."""

LANGUAGES = (
    Language("go", ("go",), ("go", "build", "-o", "emit", "."), ("./emit",)),
    Language(
        "java",
        ("java", "javac", "mvn"),
        ("mvn", "--batch-mode", "--quiet", "process-classes"),
        ("java", "-cp", "target/classes:target/lib/*", "example.Emit"),
    ),
    Language(
        "node",
        ("node", "npm"),
        ("npm", "ci", "--ignore-scripts"),
        ("node", "emit.js"),
    ),
)


class Program:
    """One built program."""

    def __init__(self, language: Language) -> None:
        """Build it, unless a build of the same sources is there."""
        self.name = language.name
        self._language = language
        self._folder = BUILDS / language.name
        source = SOURCES / language.name
        stamp, state = self._folder / ".built", _digest(source)
        if stamp.exists() and stamp.read_text() == state:
            return
        shutil.rmtree(self._folder, ignore_errors=True)
        shutil.copytree(source, self._folder, ignore=shutil.ignore_patterns(*_MADE))
        done = self._do(language.build, timeout=600)
        assert done.returncode == 0, f"{language.name} does not build: {done.stdout}{done.stderr}"
        stamp.write_text(state)

    def check(self, vectors: Path = VECTORS / "v1.json") -> subprocess.CompletedProcess[str]:
        """Let it compare what it would send with the test vectors."""
        return self._do((*self._language.run, str(SCHEMA), str(vectors)))

    def send(self, brokers: str, lines: Sequence[str]) -> dict[str, int]:
        """Send events, one JSON line each; their partitions by event id."""
        done = self._do(
            (*self._language.run, str(SCHEMA)),
            env={"KAFKA_BROKERS": brokers},
            text="".join(f"{line}\n" for line in lines),
        )
        assert done.returncode == 0, done.stderr
        pairs = [line.split() for line in done.stdout.splitlines()]
        return {event_id: int(partition) for event_id, partition in pairs}

    def _do(
        self,
        command: Sequence[str],
        *,
        env: dict[str, str] | None = None,
        text: str = "",
        timeout: float = 60,
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            cwd=self._folder,
            env=os.environ | (env or {}),
            input=text,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )


def missing_tools(language: Language) -> list[str]:
    """The tools that a language needs and this machine does not have."""
    return [tool for tool in language.tools if shutil.which(tool) is None]


def _digest(folder: Path) -> str:
    found = hashlib.sha256()
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        name = path.relative_to(folder)
        if not _MADE & set(name.parts):
            found.update(f"{name}\0".encode() + path.read_bytes() + b"\0")
    return found.hexdigest()
