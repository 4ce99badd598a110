"""The custom resource definitions of the Strimzi operator, made by its own generator."""

from __future__ import annotations

import subprocess
from functools import cache
from pathlib import Path

import msgspec
from tests.support.tools import kept

from orgtrail_deploy.local.folders import jar_cache
from orgtrail_deploy.local.jars import Jar, ensure_jars
from orgtrail_deploy.local.kafka import java

_LOCK = Path(__file__).resolve().parents[1] / "deploy" / "strimzi.lock.toml"
_MODEL = "io.strimzi.api.kafka.model"
_KINDS = {
    "kafka": f"{_MODEL}.kafka.Kafka",
    "kafkanodepool": f"{_MODEL}.nodepool.KafkaNodePool",
    "kafkatopic": f"{_MODEL}.topic.KafkaTopic",
    "kafkauser": f"{_MODEL}.user.KafkaUser",
}


class _Jars(msgspec.Struct):
    jar: list[Jar]


@cache
def strimzi_kinds() -> list[Path]:
    """The files, one for each kind."""
    locked = msgspec.toml.decode(_LOCK.read_bytes(), type=_Jars).jar
    (version,) = {jar.version for jar in locked if jar.artifact == "crd-generator"}

    def make(folder: Path) -> None:
        jars = ensure_jars(jar_cache(), lambda *_: None, locked)
        command = [
            java(), "-cp", ":".join(map(str, jars)), "io.strimzi.crdgenerator.CrdGenerator",
            "--target-kube", "1.30+", "--crd-api-version", "v1", "--yaml",
            *(f"{name}={folder / file}.yaml" for file, name in _KINDS.items()),
        ]  # fmt: skip
        subprocess.run(command, capture_output=True, check=True)

    return sorted(kept(f"strimzi-{version}", make).glob("*.yaml"))
