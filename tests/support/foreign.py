"""Producers that are not ours: the programs of ``tests/languages``, and two without a program.

Each sends events that are given as JSON lines, as ``Program`` does.
"""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import avro.io
import avro.schema
from confluent_kafka import Producer
from tests.support.languages import SCHEMA

from orgtrail_schemas.topics import EVENTS_TOPIC


def encoded(line: str) -> tuple[str, bytes]:
    """The organization and the framed event, by Apache Avro for Python.

    The fingerprint is the one that this library computes, not the one of the documents.
    """
    event = json.loads(line)
    event["occurred_at"] = datetime.fromisoformat(event["occurred_at"])
    schema = avro.schema.parse(SCHEMA.read_text())
    out = io.BytesIO()
    avro.io.DatumWriter(schema).write(event, avro.io.BinaryEncoder(out))
    return event["org_id"], b"\xc3\x01" + schema.fingerprint() + out.getvalue()


class PythonAvro:
    """Apache Avro, and librdkafka with its default partitioner, which is not Java's."""

    name = "python-avro"

    def send(self, brokers: str, lines: Sequence[str]) -> None:
        """Send events, one JSON line each."""
        producer = Producer({"bootstrap.servers": brokers})
        for org, value in map(encoded, lines):
            producer.produce(EVENTS_TOPIC, value, org)
        assert producer.flush(30) == 0


class Kcat:
    """kcat on the command line, with one file for each event and no headers."""

    name = "kcat"

    def send(self, brokers: str, lines: Sequence[str]) -> None:
        """Send events of one organization, one JSON line each."""
        with tempfile.TemporaryDirectory() as folder:
            org = json.loads(lines[0])["org_id"]
            paths = [Path(folder, f"{number}.avro") for number in range(len(lines))]
            for path, line in zip(paths, lines, strict=True):
                path.write_bytes(encoded(line)[1])
            command = ["kcat", "-P", "-b", brokers, "-t", EVENTS_TOPIC, "-k", org, *map(str, paths)]
            done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
            assert done.returncode == 0, done.stderr

    @staticmethod
    def is_installed() -> bool:
        """Whether the machine has it (Debian's package ``kcat``)."""
        return shutil.which("kcat") is not None
