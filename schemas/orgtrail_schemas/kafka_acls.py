"""The rights that each process needs in Kafka, from ``kafka_acls.toml``."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Literal

import msgspec

from orgtrail_schemas.reading import read_toml

Operation = Literal["Read", "Write", "Create", "Describe", "DescribeConfigs", "AlterConfigs"]


class Acl(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Operations on a topic or a group, or with ``prefix`` on all whose names begin so."""

    resource: Literal["topic", "group"]
    name: str
    operations: tuple[Operation, ...]
    prefix: bool = False


class Process(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A process, the commands that it stands for, and its rights."""

    name: str
    runs: str
    acl: tuple[Acl, ...]


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    process: tuple[Process, ...]


@cache
def processes() -> dict[str, Process]:
    """Every process that connects to Kafka, by name."""
    text = files(__package__).joinpath("kafka_acls.toml").read_bytes()
    return {process.name: process for process in read_toml(text, _File).process}


def needed(process: str) -> str:
    """What a process needs, as a sentence for whoever was refused."""
    parts = []
    for acl in processes()[process].acl:
        where = f"{acl.resource}s that begin with" if acl.prefix else acl.resource
        parts.append(f"{' and '.join(acl.operations)} on {where} {acl.name}")
    return f"the Kafka user needs {'; '.join(parts)}"
