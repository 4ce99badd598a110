"""``orgtrail rewind``: let the consumers read again what Kafka received since a time."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, NamedTuple

from confluent_kafka import (
    ConsumerGroupTopicPartitions,
    KafkaException,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, OffsetSpec

from orgtrail_deploy.errors import StackError, kafka_reason
from orgtrail_deploy.group_offsets import (
    TIMEOUT_S,
    committed_by,
    members_of,
    offsets_at,
    once_coordinated,
)
from orgtrail_schemas.connections import KafkaSettings
from orgtrail_schemas.kafka_acls import needed
from orgtrail_schemas.settings import SettingsError, about
from orgtrail_schemas.topics import CONSUMER_GROUP, EVENTS_TOPIC


class RewindSettings(KafkaSettings, frozen=True, kw_only=True):
    """Each field is read from the variable ``ORGTRAIL_`` plus its name in upper case."""

    consumer_group: Annotated[str, about("The consumer group.")] = CONSUMER_GROUP


class Move(NamedTuple):
    """Where a partition was, and where its consumer goes on."""

    partition: int
    before: int
    after: int


def rewind(time: datetime, *, dry_run: bool = False) -> int:
    """Let the consumers read again everything that Kafka received since TIME (RFC 3339).

    Nothing is stored twice: readers see an event once, however often it is read. No consumer may
    run meanwhile. --dry-run shows what would be read again.
    """
    if time.tzinfo is None:
        raise StackError(f"{time.isoformat()} has no time zone: end it with Z for UTC")
    try:
        settings = RewindSettings.load()
        admin = AdminClient({**settings.librdkafka(), "log_level": 0})
    except SettingsError as error:
        raise StackError(str(error)) from None
    group = settings.consumer_group
    try:
        if members := members_of(admin, group):
            raise StackError(f"group {group} has {members} consumers: stop them first")
        moves = moves_to(*_offsets(admin, group, time))
        if not dry_run:
            _commit(admin, group, moves)
    except KafkaException as error:
        reason = kafka_reason(error)
        if "AUTHORIZATION" in error.args[0].name():
            reason += f" {needed('rewinder')}"
        raise StackError(f"cannot rewind group {group}: {reason}") from error
    except TimeoutError:
        raise StackError(f"cannot rewind group {group}: no answer within {TIMEOUT_S} s") from None
    for move in moves:
        print(f"partition {move.partition}: {move.before - move.after:,} records again")
    at = time.astimezone(UTC).isoformat(timespec="milliseconds")
    print(f"{'Would go' if dry_run else 'Went'} back to {at}. Start the consumers")
    return 0


def moves_to(
    committed: Mapping[int, int], since: Mapping[int, int], end: Mapping[int, int]
) -> list[Move]:
    """Where each partition goes on: never later than where it is.

    ``since`` has the offset of the first record since the time, negative if there is none yet.
    """
    moves = []
    for partition, last in sorted(end.items()):
        before = committed.get(partition, 0)
        at = since[partition] if since[partition] >= 0 else last
        moves.append(Move(partition, before, min(before, at)))
    return moves


def _offsets(
    admin: AdminClient, group: str, time: datetime
) -> tuple[dict[int, int], dict[int, int], dict[int, int]]:
    topic = admin.list_topics(EVENTS_TOPIC, timeout=TIMEOUT_S).topics[EVENTS_TOPIC]
    if topic.error is not None:
        raise KafkaException(topic.error)
    since = OffsetSpec.for_timestamp(round(time.timestamp() * 1000))
    end = OffsetSpec.latest()  # type: ignore[no-untyped-call]
    return (
        committed_by(admin, group),
        offsets_at(admin, topic.partitions, since),
        offsets_at(admin, topic.partitions, end),
    )


def _commit(admin: AdminClient, group: str, moves: list[Move]) -> None:
    places = [TopicPartition(EVENTS_TOPIC, move.partition, move.after) for move in moves]
    wanted = ConsumerGroupTopicPartitions(group, places)
    done = once_coordinated(lambda: admin.alter_consumer_group_offsets([wanted])[group])
    for place in done.topic_partitions or []:
        if place.error is not None:
            raise KafkaException(place.error)
