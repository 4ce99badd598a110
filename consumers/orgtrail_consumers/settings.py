"""The consumer's settings, read once at startup."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Annotated, Literal

from msgspec import field

from orgtrail_schemas.connections import KafkaSettings, ShardedClickHouseSettings
from orgtrail_schemas.settings import Secret, SettingsError, about, wrong
from orgtrail_schemas.topics import CONSUMER_GROUP, DEAD_LETTER_TOPIC, EVENTS_TOPIC


class ConsumerSettings(KafkaSettings, frozen=True, kw_only=True):
    """Each field is read from the variable ``ORGTRAIL_`` plus its name in upper case."""

    topic: Annotated[str, about("The topic to consume.")] = EVENTS_TOPIC
    dead_letter_topic: Annotated[str, about("The topic for records that cannot be stored.")] = (
        DEAD_LETTER_TOPIC
    )
    consumer_group: Annotated[str, about("The consumer group.")] = CONSUMER_GROUP
    clickhouse: ShardedClickHouseSettings = field(default_factory=ShardedClickHouseSettings)
    clickhouse_writer_user: Annotated[str, about("ClickHouse user that inserts.")] = "audit_writer"
    clickhouse_writer_password: Annotated[Secret, about("Password of the inserting user.")] = (
        Secret("")
    )
    clickhouse_insert_quorum: Annotated[
        int,
        about(
            "Replicas that must have an insert before it counts: all replicas of a shard, if tables"
            " are replicated; else 0.",
            ge=0,
        ),
    ] = 0
    schema_dir: Annotated[
        Path | None, about("Folder of additional schemas (.avsc) that records may be written with.")
    ] = None
    schema_registry_url: Annotated[
        str | None, about("A Confluent-compatible registry, for records in Confluent framing.")
    ] = None
    country_file: Annotated[
        Path | None, about("A country database (.mmdb) to use instead of the built-in one.")
    ] = None
    data_dir: Annotated[Path, about("Folder for the worker's own small files.")] = Path(
        ".orgtrail/consumer"
    )
    dead_letter_dir: Annotated[
        Path | None,
        about(
            "Local folder for dead letters that the topic rejects. None: dead-letters in the data"
            " folder."
        ),
    ] = None
    breaker_percent: Annotated[
        float,
        about(
            "Stop if more than this percentage of the most recent records cannot be stored.",
            ge=0,
            le=100,
        ),
    ] = 50
    breaker_records: Annotated[
        int, about("Number of most recent records that the percentage is computed over.", ge=1)
    ] = 1_000
    lost_ranges: Annotated[
        Literal["stop", "accept"],
        about("When the topic deleted records before they were read: stop, or accept the loss."),
    ] = "stop"
    key_mismatches: Annotated[
        Literal["accept", "reject"],
        about(
            "Whether to dead-letter records whose Kafka key is not their organization's ID; they"
            " are counted in any case."
        ),
    ] = "accept"
    skip_offsets: Annotated[
        list[str],
        about(
            "Records to dead-letter without reading them, as PARTITION/OFFSET, comma-separated:"
            " for a record that ends the worker."
        ),
    ] = field(default_factory=list)
    batch_records: Annotated[int, about("Maximum number of records in a batch.", ge=1)] = 65_536
    batch_kilobytes: Annotated[int, about("Maximum size of a batch in kilobytes.", ge=1)] = 16_384
    fetch_kilobytes: Annotated[
        int, about("Maximum kilobytes to fetch from a partition at once.", ge=64)
    ] = 4_096
    session_timeout_s: Annotated[
        float,
        about(
            "Evict a worker that has not sent a heartbeat for this many seconds (session.timeout).",
            ge=1,
        ),
    ] = 10
    max_poll_interval_s: Annotated[
        float,
        about(
            "Evict a worker that has not polled for this many seconds (max.poll.interval).", ge=1
        ),
    ] = 1_000
    idle_margin_s: Annotated[
        float,
        about(
            "Safety margin in seconds before an idle partition is reported complete; extended on"
            " replicated topics.",
            ge=0,
            le=86_400,
        ),
    ] = 5
    web_host: Annotated[str, about("Address that serves metrics and health.")] = "127.0.0.1"
    web_port: Annotated[int, about("Port that serves metrics and health.", ge=1, le=65_535)] = 6066

    def check(self, prefix: str) -> None:
        """Look for what cannot work.

        Raises:
            SettingsError: a value cannot be used.
        """
        super().check(prefix)
        for text in self.skip_offsets:
            if not re.fullmatch(r"\d{1,9}/\d{1,18}", text):
                raise wrong(f"{prefix}SKIP_OFFSETS", f"must be PARTITION/OFFSET, not {text!r}")

    @property
    def skipped(self) -> frozenset[tuple[int, int]]:
        """The partition and offset of each record to skip."""
        pairs = (text.split("/") for text in self.skip_offsets)
        return frozenset((int(partition), int(offset)) for partition, offset in pairs)

    @property
    def local_dead_letters(self) -> Path:
        """The folder of dead letters that the topic rejected."""
        return self.dead_letter_dir or self.data_dir / "dead-letters"


def read_settings(command: str) -> ConsumerSettings | None:
    """The settings. If they are invalid, print one line to standard error and return ``None``."""
    try:
        settings = ConsumerSettings.load()
        settings.check_files()
        return settings
    except SettingsError as error:
        print(f"orgtrail {command}: {error}", file=sys.stderr)
        return None
