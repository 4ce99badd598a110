"""What a platform service installs: few packages, on every Python that is here, and it works."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from tests.support.mock_broker import MockBroker, ids

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = {"orgtrail", "confluent-kafka", "fastavro", "msgspec", "uuid-utils"}
VERSIONS = ("3.11", "3.12", "3.13", "3.14")

EMIT = """
import os, sys
from orgtrail import Actor, AuditProducer
audit = AuditProducer()
sent = [audit.emit("user.login", org_id="acme", actor=Actor(id=n)) for n in range(100)]
if os.fork() == 0:
    print(*[audit.emit("user.login", org_id="acme", actor=Actor(id=n)) for n in range(100)], flush=True)
    audit.flush(10)
    os._exit(0)
os.wait()
print(*sent)
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        cwd=ROOT, check=True, capture_output=True,
    )  # fmt: skip
    return next(folder.glob("*.whl"))


def interpreter(version: str) -> str | None:
    """An interpreter of this version: this one, one on the path, or one of pyenv's."""
    if sys.version_info[:2] == tuple(map(int, version.split("."))):
        return sys._base_executable
    found = shutil.which(f"python{version}")
    pyenv = sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python"))
    works = [p for p in (found, *map(str, pyenv)) if p and _answers(p)]
    return works[-1] if works else None


def _answers(path: str) -> bool:
    return subprocess.run([path, "-c", ""], capture_output=True, check=False).returncode == 0


@pytest.mark.parametrize("version", VERSIONS)
def test_the_producer_extra_alone(wheel, tmp_path, version):
    python = interpreter(version)
    if python is None:
        pytest.skip(f"there is no Python {version} on this machine")
    venv, uv = tmp_path / "venv", [sys.executable, "-m", "uv"]
    subprocess.run([*uv, "venv", "-q", "-p", python, str(venv)], check=True)
    here = venv / "bin" / "python"
    install = [*uv, "pip", "install", "-q", "-p", str(here), "-c", "requirements.lock"]
    subprocess.run([*install, f"orgtrail[producer] @ {wheel.as_uri()}"], cwd=ROOT, check=True)
    listed = subprocess.run(
        [*uv, "pip", "list", "-p", str(here), "--format", "freeze"],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    names = {line.partition("==")[0].partition(" @")[0] for line in listed.splitlines()}
    # confluent-kafka needs typing-extensions on older Pythons.
    assert names - {"typing-extensions"} == PACKAGES
    broker = MockBroker()
    env = {"PATH": os.environ["PATH"], "ORGTRAIL_KAFKA_BROKERS": broker.address}
    env |= {"ORGTRAIL_SPOOL_DIR": str(tmp_path / "spool")}
    done = subprocess.run(
        [here, "-W", "ignore", "-c", EMIT], env=env, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert set(done.stdout.split()) == set(ids(broker.records(200)))
    assert len(done.stdout.split()) == 200
    broker.close()
    tool = subprocess.run([venv / "bin" / "orgtrail"], capture_output=True, text=True, check=False)
    assert tool.returncode == 1
    assert tool.stderr.startswith("orgtrail: cyclopts is not installed")
    assert tool.stderr.count("\n") == 1


def test_the_wheel_holds_the_packages_and_their_data_alone(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in names if ".dist-info" not in name} == {
        "orgtrail", "orgtrail_schemas", "orgtrail_consumers", "orgtrail_query_service",
        "orgtrail_deploy",
    }  # fmt: skip
    ending = {Path(name).suffix for name in names if ".dist-info" not in name}
    assert ending <= {
        ".py", ".typed", "", ".toml", ".json", ".avsc", ".sql", ".html", ".css", ".js", ".svg"
    }  # fmt: skip
    for needed in ("orgtrail/py.typed", "orgtrail_schemas/catalogue.toml",
                   "orgtrail_schemas/vectors/v1.json", "orgtrail/events.py"):  # fmt: skip
        assert needed in names
