"""The jars of Apache Kafka: downloaded with jgo, verified by SHA-256 against a committed lock."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib.resources import files
from pathlib import Path

import msgspec

from orgtrail_deploy.errors import StackError
from orgtrail_deploy.local.folders import make_private
from orgtrail_schemas.reading import read_toml

Progress = Callable[[int, int], None]
"""Called with the number of jars in the cache, and the total number of jars."""


class Jar(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One jar of the lock file."""

    group: str
    artifact: str
    version: str
    sha256: str

    @property
    def file_name(self) -> str:
        """The file name that Maven uses."""
        return f"{self.artifact}-{self.version}.jar"


class _Lock(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    jar: list[Jar]


def locked_jars() -> list[Jar]:
    """The jars of the committed lock file."""
    text = files(__package__).joinpath("kafka.lock.toml").read_bytes()
    return read_toml(text, _Lock).jar


def ensure_jars(
    cache: Path,
    progress: Progress,
    jars: list[Jar] | None = None,
    repositories: dict[str, str] | None = None,
) -> list[Path]:
    """Download the jars that the cache lacks, and return the paths of all jars.

    A jar is moved into the cache in one step, after its hash is verified, so an interrupted run
    leaves no partial files. ``repositories`` (name to address) replaces Maven's default ones.

    Raises:
        StackError: a download failed, or a file's hash differs from the lock.
    """
    wanted = locked_jars() if jars is None else jars
    make_private(cache)
    missing = [jar for jar in wanted if not _is_right(_cached(cache, jar), jar)]
    done = len(wanted) - len(missing)
    progress(done, len(wanted))
    with tempfile.TemporaryDirectory(dir=cache) as staging, ThreadPoolExecutor(8) as pool:
        for jar, path in zip(
            missing,
            pool.map(lambda jar: _download(jar, Path(staging), repositories), missing),
            strict=True,
        ):
            if not _is_right(path, jar):
                raise StackError(
                    f"{jar.file_name} does not have the hash in the lock file, so it was not"
                    " installed. It may have been modified in transit: try another network"
                )
            target = _cached(cache, jar)
            target.parent.mkdir(exist_ok=True)
            os.replace(path, target)
            done += 1
            progress(done, len(wanted))
    return [_cached(cache, jar) for jar in wanted]


def _cached(cache: Path, jar: Jar) -> Path:
    return cache / jar.sha256 / jar.file_name


def _is_right(path: Path, jar: Jar) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() == jar.sha256


def _download(jar: Jar, staging: Path, repositories: dict[str, str] | None) -> Path:
    from jgo.maven import MavenContext

    own = staging / jar.sha256
    context = MavenContext(repo_cache=own, local_repos=[], remote_repos=repositories, timeout=60)
    component = context.project(jar.group, jar.artifact).at_version(jar.version)
    try:
        return Path(component.artifact().resolve())
    # jgo's errors have no common base class, and errors from requests also get through.
    except Exception as error:
        shutil.rmtree(own, ignore_errors=True)
        raise StackError(
            f"cannot download {jar.file_name} ({type(error).__name__}): check the network, and run"
            " the same command again. Finished downloads are kept"
        ) from error
