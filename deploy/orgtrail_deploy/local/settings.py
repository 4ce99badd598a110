"""The local stack's settings: its ports."""

from __future__ import annotations

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from orgtrail_deploy.errors import StackError


class LocalSettings(BaseSettings):
    """Each is read from ``ORGTRAIL_UP_`` and its name in capitals."""

    model_config = SettingsConfigDict(
        env_prefix="ORGTRAIL_UP_", frozen=True, extra="forbid", env_ignore_empty=True
    )

    kafka_port: int = Field(9092, description="Port of Kafka.")
    kafka_controller_port: int = Field(9093, description="Port of Kafka's controller.")
    clickhouse_http_port: int = Field(8123, description="HTTP port of ClickHouse.")
    clickhouse_tcp_port: int = Field(9000, description="Native port of ClickHouse.")
    page_port: int = Field(8080, description="Port of the page and the API.")
    consumer_web_port: int = Field(6066, description="Port of the consumer's metrics.")

    @classmethod
    def load(cls, **given: int) -> LocalSettings:
        """What is given, and the environment for the rest.

        Raises:
            StackError: a value is no port.
        """
        try:
            return cls(**given)  # type: ignore[arg-type]
        except ValidationError as error:
            first = error.errors()[0]
            name = "_".join(str(part) for part in first["loc"]).upper()
            raise StackError(f"ORGTRAIL_UP_{name}: {first['msg']}") from None
