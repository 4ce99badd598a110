"""The SDK's settings: given by the caller, or read once from the environment."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from orgtrail.errors import SettingsError
from orgtrail_schemas.topics import EVENTS_TOPIC


class ProducerSettings(BaseSettings):
    """How events reach Kafka. Each is read from ``ORGTRAIL_`` and its name in capitals."""

    model_config = SettingsConfigDict(
        env_prefix="ORGTRAIL_", frozen=True, extra="forbid", env_ignore_empty=True
    )

    kafka_brokers: str = Field(
        "127.0.0.1:9092", description="Kafka's bootstrap servers, host:port, comma-separated."
    )
    topic: str = Field(EVENTS_TOPIC, description="The topic that events go to.")
    kafka_security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        "PLAINTEXT", description="How to connect: with TLS, with SASL, both or neither."
    )
    kafka_ca_file: Path | None = Field(None, description="CA certificates (PEM) for TLS.")
    kafka_certificate_file: Path | None = Field(None, description="Client certificate (PEM).")
    kafka_key_file: Path | None = Field(None, description="Key of the client certificate (PEM).")
    kafka_sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] | None = Field(
        None, description="SASL mechanism."
    )
    kafka_sasl_username: str | None = Field(None, description="SASL user.")
    kafka_sasl_password: SecretStr | None = Field(None, description="SASL password.")
    kafka_sasl_password_file: Path | None = Field(
        None, description="A file that holds the SASL password."
    )
    compression: Literal["none", "gzip", "snappy", "lz4", "zstd"] = Field(
        "lz4", description="Compression of what is sent."
    )
    buffer_events: int = Field(
        100_000, ge=1, description="How many events may wait for Kafka's acknowledgement."
    )
    buffer_kilobytes: int = Field(
        65_536, ge=1, description="How many kilobytes of events may wait for it."
    )
    linger_ms: int = Field(5, ge=0, description="How long to wait for a batch to fill, in ms.")
    delivery_timeout_s: float = Field(
        120,
        gt=0,
        description="After how many seconds an unacknowledged event is spooled or failed.",
    )
    spool_dir: Path | None = Field(
        None, description="Where events wait on disk while Kafka is away. None: they are refused."
    )
    spool_megabytes: int = Field(
        1_024, ge=1, description="How many megabytes of events the spool may hold."
    )
    service: str = Field("", description="The name of the service that emits, for its events.")

    @classmethod
    def load(cls, **given: object) -> ProducerSettings:
        """What is given, and the environment for the rest.

        Raises:
            SettingsError: a value cannot be used; the message names it in one line.
        """
        try:
            return cls(**given)  # type: ignore[arg-type]
        except ValidationError as error:
            first = error.errors()[0]
            name = "_".join(str(part) for part in first["loc"]).upper()
            raise SettingsError(f"ORGTRAIL_{name}: {first['msg']}") from None

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

    def _password(self) -> str | None:
        if self.kafka_sasl_password is not None:
            return self.kafka_sasl_password.get_secret_value()
        if self.kafka_sasl_password_file is None:
            return None
        try:
            return self.kafka_sasl_password_file.read_text("utf-8").strip()
        except OSError as error:
            raise SettingsError(f"ORGTRAIL_KAFKA_SASL_PASSWORD_FILE: {error.strerror}") from error
