"""The SDK's settings, passed by the caller or read once from the environment."""

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
from orgtrail_schemas.limits import TEXT_LENGTH
from orgtrail_schemas.settings import PREFIX, about, wrong
from orgtrail_schemas.topics import EVENTS_TOPIC

RETIRED = {
    "delivery_timeout_s": "events are kept until Kafka acknowledges them",
}
"""Settings of earlier versions that no longer have any effect, each with the reason."""

_log = logging.getLogger("orgtrail")

_TOPIC = re.compile(r"[A-Za-z0-9._-]{1,249}")


class ProducerSettings(KafkaSettings, frozen=True, kw_only=True):
    """How events reach Kafka. Each is read from ``ORGTRAIL_`` and its name in capitals."""

    topic: Annotated[str, about("The Kafka topic for events.")] = EVENTS_TOPIC
    compression: Annotated[
        Literal["none", "gzip", "snappy", "lz4", "zstd"],
        about("Compression codec for batches sent to Kafka."),
    ] = "lz4"
    linger_ms: Annotated[
        int, about("How long to wait for a batch to fill, in ms.", ge=0, le=900_000)
    ] = 5
    spool: Annotated[
        Literal["disk", "memory"],
        about(
            "Where events are stored until Kafka acknowledges them: on disk, where they survive"
            " the process, or in memory only."
        ),
    ] = "disk"
    spool_dir: Annotated[
        Path | None,
        about(
            "The spool folder on disk. None: a private folder of the user under XDG_STATE_HOME or"
            " ~/.local/state, one per broker and topic."
        ),
    ] = None
    spool_megabytes: Annotated[
        int,
        about("Maximum size of the spool folder in megabytes, over all processes.", ge=1),
    ] = 1_024
    spool_fsync_ms: Annotated[
        int,
        about(
            "How often the spool is synced to disk, in ms. A power cut can lose the events of"
            " this interval. 0: sync before emit returns.",
            ge=0,
            le=60_000,
        ),
    ] = 20
    buffer_events: Annotated[
        int,
        about("Maximum number of events held in memory when the disk is not used.", ge=1),
    ] = 100_000
    buffer_kilobytes: Annotated[
        int,
        about("Maximum kilobytes of events held in memory when the disk is not used.", ge=1),
    ] = 65_536
    close_seconds: Annotated[
        float,
        about("How long to wait for Kafka when the process exits, in seconds.", ge=0),
    ] = 5
    service: Annotated[
        str,
        about("The name of the emitting service, added to its events.", max_length=TEXT_LENGTH),
    ] = ""
    catalogue_file: Annotated[
        Path | None,
        about("Your own event types in the format of catalogue.toml, added to the shipped ones."),
    ] = None
    disabled: Annotated[
        bool, about("Validate events but do not send them, for tests and one-off scripts.")
    ] = False

    @classmethod
    def load(
        cls, environment: Mapping[str, str] | None = None, *, prefix: str = PREFIX, **given: Any
    ) -> ProducerSettings:
        """Load the settings from arguments, and from the environment for the rest.

        ``environment`` defaults to ``os.environ``.

        Raises:
            SettingsError: a value is invalid; the message is one line and names the setting.
        """
        variables = os.environ if environment is None else environment
        supported = {name: value for name, value in given.items() if name not in RETIRED}
        with _audit_errors():
            settings = super().load(variables, prefix=prefix, **supported)
        for name, why in RETIRED.items():
            if name in given or variables.get(prefix + name.upper()):
                _log.warning("%s%s no longer has any effect: %s", prefix, name.upper(), why)
        return settings

    def check(self, prefix: str = PREFIX) -> None:
        """Validate the settings before the first event is accepted.

        Raises:
            SettingsError: a value is invalid; the message is one line and names the setting.
        """
        with _audit_errors():
            super().check(prefix)
            if not _TOPIC.fullmatch(self.topic) or self.topic in (".", ".."):
                raise wrong(f"{prefix}TOPIC", "must be 1 to 249 letters, digits or . _ -")

    def check_files(self, prefix: str = PREFIX) -> None:
        """Check that all configured files are readable.

        Raises:
            SettingsError: a file is unreadable; the message is one line and names the setting.
        """
        with _audit_errors():
            super().check_files(prefix)

    def librdkafka(self) -> dict[str, str]:
        """Return the connection settings under librdkafka's names.

        Raises:
            SettingsError: the password file cannot be read.
        """
        with _audit_errors():
            return super().librdkafka()

    def spool_folder(self, environment: Mapping[str, str] | None = None) -> Path:
        """Return the spool folder: the configured one, or a private folder of the user.

        The default folder is specific to the broker and topic. Otherwise a process of the same
        user could deliver an event to a different Kafka cluster.

        Raises:
            OSError: the user has no home directory.
        """
        if self.spool_dir is not None:
            return self.spool_dir
        import zlib

        variables = os.environ if environment is None else environment
        state = variables.get("XDG_STATE_HOME")
        try:
            base = Path(state) if state else Path.home() / ".local" / "state"
        except RuntimeError as error:
            raise OSError(str(error)) from None
        brokers = ",".join(sorted(b.strip() for b in self.kafka_brokers.split(",")))
        checksum = zlib.crc32(f"{brokers} {self.topic}".encode())
        return base / "orgtrail" / "spool" / f"{self.topic}-{checksum:08x}"


@contextmanager
def _audit_errors() -> Iterator[None]:
    """Convert errors of the shared settings module into the SDK's ``SettingsError``."""
    try:
        yield
    except base.SettingsError as error:
        raise SettingsError(str(error)) from None
