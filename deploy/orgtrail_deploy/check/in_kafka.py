"""What ``orgtrail check`` asks Kafka."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ConfigResource,
    OffsetSpec,
    ResourcePatternType,
    ResourceType,
    TopicMetadata,
)

from orgtrail_deploy.check.findings import Finding, failed, note, ok, unknown
from orgtrail_deploy.check.settings import CheckSettings
from orgtrail_deploy.errors import kafka_reason
from orgtrail_deploy.group_offsets import TIMEOUT_S, committed_by, members_of, offsets_at
from orgtrail_schemas.topics import EVENTS_TOPIC, topic_configs

_AT_LEAST = ("retention.ms", "max.message.bytes")
_MIGRATE = "run orgtrail migrate"
_REPLICAS = 3
_IN_SYNC = "min.insync.replicas"
_FIRST = OffsetSpec.earliest()  # type: ignore[no-untyped-call]
_END = OffsetSpec.latest()  # type: ignore[no-untyped-call]


def kafka_findings(settings: CheckSettings) -> Iterator[Finding]:
    """Brokers, topics, the consumers' lag, and who may write."""
    admin = AdminClient({**settings.librdkafka(), "log_level": 0})
    try:
        known = admin.list_topics(timeout=TIMEOUT_S)
    except KafkaException as error:
        yield failed(
            "brokers",
            f"{settings.kafka_brokers}: {kafka_reason(error)}",
            "compare ORGTRAIL_KAFKA_BROKERS and the other Kafka settings with the brokers'",
        )
        return
    brokers = len(known.brokers)
    yield ok("brokers", f"{_count(brokers, 'broker')}, {settings.kafka_security_protocol}")
    for name, wanted in topic_configs().items():
        yield _topic(admin, known.topics.get(name), name, wanted, brokers)
    if EVENTS_TOPIC in known.topics:
        partitions = list(known.topics[EVENTS_TOPIC].partitions)
        yield _consumers(admin, settings.consumer_group, partitions)
    yield _writers(admin, settings, next(iter(known.brokers)))


def _topic(
    admin: AdminClient,
    topic: TopicMetadata | None,
    name: str,
    wanted: Mapping[str, str],
    brokers: int,
) -> Finding:
    question = f"topic {name}"
    if topic is None:
        return failed(
            question,
            f"there is none, or the Kafka user lacks Describe on topic {name}",
            f"{_MIGRATE}, or grant the right",
        )
    resource = ConfigResource(ResourceType.TOPIC, name)
    try:
        configs = admin.describe_configs([resource])[resource].result(TIMEOUT_S)
    except KafkaException as error:
        return _refused(question, error, f"DescribeConfigs on topic {name}")
    return judge_topic(
        name,
        {key: entry.value for key, entry in configs.items()},
        wanted,
        [(len(p.replicas), len(p.isrs)) for p in topic.partitions.values()],
        brokers,
    )


def judge_topic(
    name: str,
    found: Mapping[str, str],
    wanted: Mapping[str, str],
    replicas: Sequence[tuple[int, int]],
    brokers: int,
) -> Finding:
    """Whether a topic is set as the guarantees need it.

    ``replicas`` has for each partition how many replicas it has, and how many are in sync.
    """
    question = f"topic {name}"
    wrong = [
        f"{key} is {found.get(key)}, not {value}"
        for key, value in wanted.items()
        if not _satisfies(key, found.get(key), value)
    ]
    if wrong:
        return failed(question, "; ".join(wrong), _MIGRATE)
    fewest = min(count for count, _ in replicas)
    if any(in_sync < count for count, in_sync in replicas):
        return failed(
            question, "a partition has replicas that are not in sync", "look at the brokers"
        )
    if fewest < min(brokers, _REPLICAS):
        return failed(
            question,
            f"{_count(fewest, 'replica')} on {brokers} brokers: the loss of one loses events",
            f"reassign the partitions with {min(brokers, _REPLICAS)} replicas",
        )
    if fewest >= _REPLICAS and int(found.get(_IN_SYNC, "1")) < _REPLICAS - 1:
        return failed(
            question,
            f"{_IN_SYNC} is {found.get(_IN_SYNC, '1')}: a broker may confirm an event alone",
            f"set {_IN_SYNC} to {_REPLICAS - 1}",
        )
    days = int(found["retention.ms"]) // 86_400_000
    return ok(
        question,
        f"{_count(len(replicas), 'partition')}, {_count(fewest, 'replica')}, kept {days} days,"
        f" {found['message.timestamp.type']}",
    )


def _satisfies(key: str, found: str | None, wanted: str) -> bool:
    if key in _AT_LEAST and found is not None:
        # -1 is without end.
        return int(found) >= int(wanted) or int(found) == -1
    return found == wanted


def _consumers(admin: AdminClient, group: str, partitions: Sequence[int]) -> Finding:
    question = f"consumer group {group}"
    try:
        members, committed = members_of(admin, group), committed_by(admin, group)
        first = offsets_at(admin, partitions, _FIRST)
        end = offsets_at(admin, partitions, _END)
    except KafkaException as error:
        return _refused(question, error, f"Describe on group {group}")
    waiting = sum(end[n] - max(committed.get(n, 0), first[n]) for n in end)
    seen = f"{_count(members, 'consumer')}, {_count(waiting, 'record')} waiting"
    return ok(question, seen) if members else failed(question, seen, "start orgtrail consume")


def _writers(admin: AdminClient, settings: CheckSettings, broker: int) -> Finding:
    question = "who may write events"
    asked = AclBindingFilter(
        ResourceType.TOPIC,
        EVENTS_TOPIC,
        ResourcePatternType.MATCH,
        None,  # type: ignore[arg-type]  # of anybody
        None,  # type: ignore[arg-type]  # from anywhere
        AclOperation.ANY,
        AclPermissionType.ALLOW,
    )
    try:
        bindings = admin.describe_acls(asked, request_timeout=TIMEOUT_S).result(TIMEOUT_S)
        # The library answers with no ACLs when the broker refuses to list them, and when it has
        # nobody to keep them (librdkafka 2.16); the broker's configuration tells which.
        authorizer = bool(bindings) or _has_authorizer(admin, broker)
    except KafkaException as error:
        if "AUTHORIZATION" in error.args[0].name():
            return unknown(question, "the Kafka user lacks DescribeConfigs on the cluster")
        if error.args[0].code() != KafkaError.SECURITY_DISABLED:
            return failed(question, kafka_reason(error), "look at the brokers")
        authorizer = False
    if authorizer:
        return judge_writers(question, bindings)
    seen = "anyone who reaches Kafka: it has no authorizer"
    if all(map(_is_loopback, settings.kafka_brokers.split(","))):
        return note(question, f"{seen}, and listens on this machine only")
    return failed(question, seen, "secure Kafka (docs/operations.md, Secure)")


def _has_authorizer(admin: AdminClient, broker: int) -> bool:
    resource = ConfigResource(ResourceType.BROKER, str(broker))
    configs = admin.describe_configs([resource])[resource].result(TIMEOUT_S)
    entry = configs.get("authorizer.class.name")
    return entry is not None and bool(entry.value)


def judge_writers(question: str, bindings: Sequence[AclBinding]) -> Finding:
    """Whether only users that somebody named may write to the topic."""
    writers = sorted(
        {b.principal for b in bindings if b.operation in (AclOperation.WRITE, AclOperation.ALL)}
    )
    seen = ", ".join(writers) or "nobody but superusers"
    if "User:*" in writers:
        return failed(question, seen, "remove the ACL of User:* and name the services")
    return ok(question, seen)


def _is_loopback(broker: str) -> bool:
    host = broker.strip().rpartition(":")[0].strip("[]")
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _refused(question: str, error: KafkaException, right: str) -> Finding:
    reason: Any = error.args[0]
    if "AUTHORIZATION" in reason.name():
        return failed(question, f"the Kafka user lacks {right}", "grant the right")
    return failed(question, reason.str(), "look at the brokers")


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
