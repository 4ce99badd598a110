"""The local stack's settings: its ports and its folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from orgtrail_deploy.errors import StackError
from orgtrail_schemas.settings import Settings, SettingsError, about

PREFIX = "ORGTRAIL_UP_"


class LocalSettings(Settings, frozen=True, kw_only=True):
    """Each field is read from the variable ``ORGTRAIL_UP_`` plus its name in upper case."""

    kafka_port: Annotated[int, about("Port of Kafka.", ge=1, le=65_535)] = 9092
    kafka_controller_port: Annotated[int, about("Port of Kafka's controller.", ge=1, le=65_535)] = (
        9093
    )
    clickhouse_http_port: Annotated[int, about("HTTP port of ClickHouse.", ge=1, le=65_535)] = 8123
    clickhouse_tcp_port: Annotated[int, about("Native port of ClickHouse.", ge=1, le=65_535)] = 9000
    page_port: Annotated[int, about("Port of the page and the API.", ge=1, le=65_535)] = 8080
    consumer_web_port: Annotated[int, about("Port of the consumer's metrics.", ge=1, le=65_535)] = (
        6066
    )

    @classmethod
    def load(
        cls, environment: Mapping[str, str] | None = None, *, prefix: str = PREFIX, **given: Any
    ) -> LocalSettings:
        """Load the settings: ``given`` values first, then the environment.

        Raises:
            StackError: a value is not a valid port.
        """
        try:
            return super().load(environment, prefix=prefix, **given)
        except SettingsError as error:
            raise StackError(str(error)) from None


class FolderSettings(Settings, frozen=True, kw_only=True):
    """Where the local stack keeps its data."""

    home: Annotated[Path, about("Folder of the local stack.")] = Path(".orgtrail")
