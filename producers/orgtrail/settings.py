"""The SDK's settings: given by the caller, or read once from the environment."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from orgtrail.errors import SettingsError
from orgtrail_schemas.rules import TEXT_LENGTH
from orgtrail_schemas.topics import EVENTS_TOPIC

PREFIX = "ORGTRAIL_"

RETIRED = {
    "delivery_timeout_s": "an event waits until Kafka takes it",
}
"""Settings of earlier versions that have no effect any more, and why."""

_log = logging.getLogger("orgtrail")

_TOPIC = re.compile(r"[A-Za-z0-9._-]{1,249}")
_BROKER = re.compile(r"(?:[A-Za-z_]+://)?(?:\[[0-9A-Fa-f:.]+\]|[^\s:/,\[\]]+)(?::(\d{1,5}))?")


def _about(description: str, **bounds: Any) -> Meta:
    return Meta(description=description, **bounds)


class ProducerSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How events reach Kafka. Each is read from ``ORGTRAIL_`` and its name in capitals."""

    kafka_brokers: Annotated[
        str, _about("Kafka's bootstrap servers, host:port, comma-separated.")
    ] = "127.0.0.1:9092"
    topic: Annotated[str, _about("The topic that events go to.")] = EVENTS_TOPIC
    kafka_security_protocol: Annotated[
        Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"],
        _about("How to connect: with TLS, with SASL, both or neither."),
    ] = "PLAINTEXT"
    kafka_ca_file: Annotated[Path | None, _about("CA certificates (PEM) for TLS.")] = None
    kafka_certificate_file: Annotated[Path | None, _about("Client certificate (PEM).")] = None
    kafka_key_file: Annotated[Path | None, _about("Key of the client certificate (PEM).")] = None
    kafka_sasl_mechanism: Annotated[
        Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] | None, _about("SASL mechanism.")
    ] = None
    kafka_sasl_username: Annotated[str | None, _about("SASL user.")] = None
    kafka_sasl_password: Annotated[str | None, _about("SASL password.")] = None
    kafka_sasl_password_file: Annotated[
        Path | None, _about("A file that holds the SASL password.")
    ] = None
    compression: Annotated[
        Literal["none", "gzip", "snappy", "lz4", "zstd"], _about("Compression of what is sent.")
    ] = "lz4"
    linger_ms: Annotated[
        int, _about("How long to wait for a batch to fill, in ms.", ge=0, le=900_000)
    ] = 5
    spool: Annotated[
        Literal["disk", "memory"],
        _about(
            "Where events wait for Kafka: on disk, where they survive the process, or in its"
            " memory alone."
        ),
    ] = "disk"
    spool_dir: Annotated[
        Path | None,
        _about(
            "The folder on disk. None: a private one of the user, below XDG_STATE_HOME or"
            " ~/.local/state, for this broker and topic."
        ),
    ] = None
    spool_megabytes: Annotated[
        int, _about("How many megabytes may wait in the folder, of all its processes.", ge=1)
    ] = 1_024
    spool_fsync_ms: Annotated[
        int,
        _about(
            "After how many ms what waits on disk also survives a power cut; 0: before emit"
            " returns.",
            ge=0,
            le=60_000,
        ),
    ] = 20
    buffer_events: Annotated[
        int, _about("How many events may wait in memory, where there is no disk.", ge=1)
    ] = 100_000
    buffer_kilobytes: Annotated[
        int, _about("How many kilobytes may wait in memory, where there is no disk.", ge=1)
    ] = 65_536
    close_seconds: Annotated[
        float, _about("How long the end of the process waits for Kafka, in seconds.", ge=0)
    ] = 5
    service: Annotated[
        str,
        _about("The name of the service that emits, for its events.", max_length=TEXT_LENGTH),
    ] = ""
    catalogue_file: Annotated[
        Path | None,
        _about("A company's own event types, in the form of catalogue.toml, beside the shipped."),
    ] = None
    disabled: Annotated[
        bool, _about("Check events and send none: for tests and one-off scripts.")
    ] = False

    @classmethod
    def load(cls, environment: Mapping[str, str] | None = None, **given: Any) -> ProducerSettings:
        """What is given, and the environment (``os.environ``) for the rest.

        Raises:
            SettingsError: a value cannot be used; the message names it in one line.
        """
        found = os.environ if environment is None else environment
        values: dict[str, Any] = {
            name: found[PREFIX + name.upper()]
            for name in cls.__struct_fields__
            if found.get(PREFIX + name.upper())
        }
        values |= {
            name: str(value) if isinstance(value, Path) else value
            for name, value in given.items()
            if name not in RETIRED
        }
        try:
            settings = msgspec.convert(values, cls, strict=False, dec_hook=_path)
        except msgspec.ValidationError as error:
            raise _named(error) from None
        settings.check()
        for name, why in RETIRED.items():
            if name in given or found.get(PREFIX + name.upper()):
                _log.warning("%s%s has no effect any more: %s", PREFIX, name.upper(), why)
        return settings

    def check(self) -> None:
        """Look for what cannot work, before the first event is taken.

        Raises:
            SettingsError: a value cannot be used; the message names it in one line.
        """
        for broker in self.kafka_brokers.split(","):
            match = _BROKER.fullmatch(broker.strip())
            if match is None or "://" in broker or int(match[1] or 9092) not in range(1, 65_536):
                raise _wrong("kafka_brokers", f"must be host:port, not {broker.strip()!r}")
        if not _TOPIC.fullmatch(self.topic) or self.topic in (".", ".."):
            raise _wrong("topic", "must be 1 to 249 letters, digits or . _ -")
        if self.kafka_security_protocol.startswith("SASL") and self.kafka_sasl_mechanism is None:
            raise _wrong("kafka_sasl_mechanism", f"is required by {self.kafka_security_protocol}")
        if self.kafka_sasl_mechanism is not None and not self.kafka_sasl_username:
            raise _wrong("kafka_sasl_username", f"is required by {self.kafka_sasl_mechanism}")
        if self.kafka_sasl_mechanism is not None and not (
            self.kafka_sasl_password or self.kafka_sasl_password_file
        ):
            raise _wrong("kafka_sasl_password", f"is required by {self.kafka_sasl_mechanism}")

    def check_files(self) -> None:
        """Look for files that are set and cannot be read.

        Raises:
            SettingsError: there is one; the message names it in one line.
        """
        for name in ("kafka_ca_file", "kafka_certificate_file", "kafka_key_file"):
            path: Path | None = getattr(self, name)
            if path is not None and not os.access(path, os.R_OK):
                raise _wrong(name, f"{path} cannot be read")

    def librdkafka(self) -> dict[str, str | int | bool]:
        """The connection settings in librdkafka's names.

        Raises:
            SettingsError: the password file cannot be read.
        """
        wanted = {
            "bootstrap.servers": self.kafka_brokers,
            "security.protocol": self.kafka_security_protocol,
            "ssl.ca.location": self.kafka_ca_file,
            "ssl.certificate.location": self.kafka_certificate_file,
            "ssl.key.location": self.kafka_key_file,
            "sasl.mechanism": self.kafka_sasl_mechanism,
            "sasl.username": self.kafka_sasl_username,
            "sasl.password": self._password(),
        }
        return {key: str(value) for key, value in wanted.items() if value is not None}

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

    def _password(self) -> str | None:
        if self.kafka_sasl_password is not None:
            return self.kafka_sasl_password
        if self.kafka_sasl_password_file is None:
            return None
        try:
            return self.kafka_sasl_password_file.read_text("utf-8").strip()
        except OSError as error:
            raise _wrong("kafka_sasl_password_file", str(error.strerror)) from error

    def __repr__(self) -> str:
        """Every setting but the password."""
        shown = (
            f"{name}={'***' if name == 'kafka_sasl_password' and value else repr(value)}"
            for name in self.__struct_fields__
            for value in [getattr(self, name)]
        )
        return f"ProducerSettings({', '.join(shown)})"


def described() -> list[tuple[str, Any, str]]:
    """Each setting with its default and its meaning, for the documents."""
    import typing

    hints = typing.get_type_hints(ProducerSettings, include_extras=True)
    defaults = dict(
        zip(ProducerSettings.__struct_fields__, ProducerSettings.__struct_defaults__, strict=True)
    )
    return [
        (name, defaults[name], typing.get_args(hints[name])[1].description)
        for name in ProducerSettings.__struct_fields__
    ]


def _path(kind: type, value: Any) -> Any:
    if kind is Path and isinstance(value, str) and value:
        # Absolute, since a service may change its working directory.
        return Path(value).absolute()
    raise ValueError("must be a path")


def _named(error: msgspec.ValidationError) -> SettingsError:
    problem, _, place = str(error).partition(" - at `$.")
    if place:
        return _wrong(place.rstrip("`").partition(".")[0], problem)
    return SettingsError(problem)


def _wrong(name: str, problem: str) -> SettingsError:
    return SettingsError(f"{PREFIX}{name.upper()}: {problem}")
