"""The consumer's settings, read once at its start."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from orgtrail_schemas.topics import DEAD_LETTER_TOPIC, EVENTS_TOPIC


class ConsumerSettings(BaseSettings):
    """Each is read from ``ORGTRAIL_`` and its name in capitals."""

    model_config = SettingsConfigDict(
        env_prefix="ORGTRAIL_", frozen=True, extra="forbid", env_ignore_empty=True
    )

    kafka_brokers: str = Field(
        "127.0.0.1:9092", description="Kafka's bootstrap servers, host:port, comma-separated."
    )
    kafka_security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        "PLAINTEXT", description="How to connect: with TLS, with SASL, both or neither."
    )
    kafka_ca_file: Path | None = Field(None, description="CA certificates (PEM) for TLS.")
    kafka_sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] | None = Field(
        None, description="SASL mechanism."
    )
    kafka_sasl_username: str | None = Field(None, description="SASL user.")
    kafka_sasl_password: SecretStr | None = Field(None, description="SASL password.")
    topic: str = Field(EVENTS_TOPIC, description="The topic to consume.")
    dead_letter_topic: str = Field(DEAD_LETTER_TOPIC, description="Where dead letters go.")
    consumer_group: str = Field("orgtrail", description="The consumer group.")
    clickhouse_host: str = Field("127.0.0.1", description="ClickHouse's host.")
    clickhouse_port: int = Field(8123, description="ClickHouse's HTTP port.")
    clickhouse_secure: bool = Field(False, description="Whether to use HTTPS to ClickHouse.")
    clickhouse_writer_user: str = Field("audit_writer", description="The user that inserts.")
    clickhouse_writer_password: SecretStr = Field(
        SecretStr(""), description="Password of the user that inserts."
    )
    schema_dir: Path | None = Field(
        None, description="A directory of further schemas (.avsc) that can be read."
    )
    schema_registry_url: str | None = Field(
        None, description="A Confluent-compatible registry, for records in Confluent framing."
    )
    country_file: Path | None = Field(
        None, description="A country database (.mmdb) to use instead of the built-in one."
    )
    dead_letter_dir: Path | None = Field(
        None,
        description="Where dead letters go that the topic refuses; empty: in the data directory.",
    )
    breaker_percent: float = Field(
        50,
        ge=0,
        le=100,
        description="Stop when more than this share of the last records cannot be stored, in %.",
    )
    breaker_records: int = Field(
        1_000, ge=1, description="How many of the last records that share is taken of, at least."
    )
    lost_ranges: Literal["stop", "accept"] = Field(
        "stop",
        description="What to do about offsets that the topic deleted before they were read.",
    )
    batch_records: int = Field(20_000, ge=1, description="How many records a batch may have.")
    batch_kilobytes: int = Field(16_384, ge=1, description="How many kilobytes a batch may have.")
    fetch_kilobytes: int = Field(
        2_048, ge=64, description="How many kilobytes to fetch of a partition at once."
    )
    session_timeout_s: float = Field(
        10, ge=1, description="How long the group waits for a worker that is silent, in s."
    )
    max_poll_interval_s: float = Field(
        1_000, ge=1, description="How long the group waits for a worker whose loop stands, in s."
    )
    idle_margin_s: float = Field(
        5,
        ge=0,
        description="How far behind the clock what is idle counts as settled, in s; longer where"
        " Kafka keeps copies.",
    )
    web_host: str = Field("127.0.0.1", description="Where metrics and health are served.")
    web_port: int = Field(6066, description="The port of metrics and health.")
    data_dir: Path = Field(
        Path(".orgtrail/consumer"), description="Where the worker keeps its own small files."
    )

    @property
    def local_dead_letters(self) -> Path:
        """The folder of dead letters that the topic refused."""
        return self.dead_letter_dir or self.data_dir / "dead-letters"

    def librdkafka(self) -> dict[str, str]:
        """The connection settings in librdkafka's names."""
        password = self.kafka_sasl_password
        wanted = {
            "bootstrap.servers": self.kafka_brokers,
            "security.protocol": self.kafka_security_protocol,
            "ssl.ca.location": self.kafka_ca_file,
            "sasl.mechanism": self.kafka_sasl_mechanism,
            "sasl.username": self.kafka_sasl_username,
            "sasl.password": None if password is None else password.get_secret_value(),
        }
        return {key: str(value) for key, value in wanted.items() if value is not None}


def read_settings(command: str) -> ConsumerSettings | None:
    """The settings, or ``None`` after a line on standard error that names what is wrong."""
    try:
        return ConsumerSettings()
    except ValidationError as error:
        first = error.errors()[0]
        name = "_".join(str(part) for part in first["loc"]).upper()
        print(f"orgtrail {command}: ORGTRAIL_{name}: {first['msg']}", file=sys.stderr)
        return None
