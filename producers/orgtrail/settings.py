"""The SDK's settings: given by the caller, or read once from the environment."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Literal

from orgtrail.errors import SettingsError
from orgtrail_schemas import settings as base
from orgtrail_schemas.connections import KafkaSettings
from orgtrail_schemas.rules import TEXT_LENGTH
from orgtrail_schemas.settings import PREFIX, about, wrong
from orgtrail_schemas.topics import EVENTS_TOPIC

RETIRED = {
    "delivery_timeout_s": "an event waits until Kafka takes it",
}
"""Settings of earlier versions that have no effect any more, and why."""

_log = logging.getLogger("orgtrail")

_TOPIC = re.compile(r"[A-Za-z0-9._-]{1,249}")


class ProducerSettings(KafkaSettings, frozen=True, kw_only=True):
    """How events reach Kafka. Each is read from ``ORGTRAIL_`` and its name in capitals."""

    topic: Annotated[str, about("The topic that events go to.")] = EVENTS_TOPIC
    compression: Annotated[
        Literal["none", "gzip", "snappy", "lz4", "zstd"], about("Compression of what is sent.")
    ] = "lz4"
    linger_ms: Annotated[
        int, about("How long to wait for a batch to fill, in ms.", ge=0, le=900_000)
    ] = 5
    spool: Annotated[
        Literal["disk", "memory"],
        about(
            "Where events wait for Kafka: on disk, where they survive the process, or in its"
            " memory alone."
        ),
    ] = "disk"
    spool_dir: Annotated[
        Path | None,
        about(
            "The folder on disk. None: a private one of the user, below XDG_STATE_HOME or"
            " ~/.local/state, for this broker and topic."
        ),
    ] = None
    spool_megabytes: Annotated[
        int, about("How many megabytes may wait in the folder, of all its processes.", ge=1)
    ] = 1_024
    spool_fsync_ms: Annotated[
        int,
        about(
            "After how many ms what waits on disk also survives a power cut; 0: before emit"
            " returns.",
            ge=0,
            le=60_000,
        ),
    ] = 20
    buffer_events: Annotated[
        int, about("How many events may wait in memory, where there is no disk.", ge=1)
    ] = 100_000
    buffer_kilobytes: Annotated[
        int, about("How many kilobytes may wait in memory, where there is no disk.", ge=1)
    ] = 65_536
    close_seconds: Annotated[
        float, about("How long the end of the process waits for Kafka, in seconds.", ge=0)
    ] = 5
    service: Annotated[
        str,
        about("The name of the service that emits, for its events.", max_length=TEXT_LENGTH),
    ] = ""
    catalogue_file: Annotated[
        Path | None,
        about("A company's own event types, in the form of catalogue.toml, beside the shipped."),
    ] = None
    disabled: Annotated[
        bool, about("Check events and send none: for tests and one-off scripts.")
    ] = False

    @classmethod
    def load(
        cls, environment: Mapping[str, str] | None = None, *, prefix: str = PREFIX, **given: Any
    ) -> ProducerSettings:
        """What is given, and the environment (``os.environ``) for the rest.

        Raises:
            SettingsError: a value cannot be used; the message names it in one line.
        """
        variables = os.environ if environment is None else environment
        kept = {name: value for name, value in given.items() if name not in RETIRED}
        with _audit_errors():
            settings = super().load(variables, prefix=prefix, **kept)
        for name, why in RETIRED.items():
            if name in given or variables.get(prefix + name.upper()):
                _log.warning("%s%s has no effect any more: %s", prefix, name.upper(), why)
        return settings

    def check(self, prefix: str = PREFIX) -> None:
        """Look for what cannot work, before the first event is taken.

        Raises:
            SettingsError: a value cannot be used; the message names it in one line.
        """
        with _audit_errors():
            super().check(prefix)
            if not _TOPIC.fullmatch(self.topic) or self.topic in (".", ".."):
                raise wrong(f"{prefix}TOPIC", "must be 1 to 249 letters, digits or . _ -")

    def check_files(self, prefix: str = PREFIX) -> None:
        """Look for files that are set and cannot be read.

        Raises:
            SettingsError: there is one; the message names it in one line.
        """
        with _audit_errors():
            super().check_files(prefix)

    def librdkafka(self) -> dict[str, str]:
        """The connection settings by librdkafka's names.

        Raises:
            SettingsError: the password's file cannot be read.
        """
        with _audit_errors():
            return super().librdkafka()

    def spool_folder(self, environment: Mapping[str, str] | None = None) -> Path:
        """The folder on disk: the one that is set, or a private one of the user.

        Without a setting, each destination has its own: an event for one broker must never be
        delivered to another by a process that happens to share the user.

        Raises:
            OSError: the user has no home.
        """
        if self.spool_dir is not None:
            return self.spool_dir
        import zlib

        found = os.environ if environment is None else environment
        state = found.get("XDG_STATE_HOME")
        try:
            base = Path(state) if state else Path.home() / ".local" / "state"
        except RuntimeError as error:
            raise OSError(str(error)) from None
        brokers = ",".join(sorted(b.strip() for b in self.kafka_brokers.split(",")))
        mark = zlib.crc32(f"{brokers} {self.topic}".encode())
        return base / "orgtrail" / "spool" / f"{self.topic}-{mark:08x}"


@contextmanager
def _audit_errors() -> Iterator[None]:
    """Every error of the SDK is an ``AuditError``, also one of the shared settings."""
    try:
        yield
    except base.SettingsError as error:
        raise SettingsError(str(error)) from None
