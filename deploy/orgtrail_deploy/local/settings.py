"""The local stack's settings: its ports and its folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import msgspec

from orgtrail_deploy.errors import StackError
from orgtrail_schemas.reading import read_json
from orgtrail_schemas.settings import Settings, SettingsError, about

PREFIX = "ORGTRAIL_UP_"
_PORTS = "ports.json"


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


def record(root: Path, settings: LocalSettings) -> None:
    """Write the ports into the stack's folder, where commands in other terminals find them."""
    (root / _PORTS).write_bytes(msgspec.json.encode(settings))


def recorded(root: Path) -> LocalSettings:
    """The ports of the stack in a folder; without a record, those of the environment."""
    try:
        return read_json((root / _PORTS).read_bytes(), LocalSettings)
    except (OSError, msgspec.MsgspecError):
        return LocalSettings.load()


class FolderSettings(Settings, frozen=True, kw_only=True):
    """Where the local stack keeps its data."""

    home: Annotated[Path, about("Folder of the local stack.")] = Path(".orgtrail")
