"""What the checklist makes of Kafka's answers."""

import pytest
from confluent_kafka.admin import (
    AclBinding,
    AclOperation,
    AclPermissionType,
    ResourcePatternType,
    ResourceType,
)

from orgtrail_deploy.check.findings import Verdict
from orgtrail_deploy.check.in_kafka import judge_topic, judge_writers
from orgtrail_schemas.topics import EVENTS_TOPIC, topic_configs

WANTED = topic_configs()[EVENTS_TOPIC]
SAFE = WANTED | {"min.insync.replicas": "2"}


def judged(found=SAFE, replicas=((3, 3), (3, 3)), brokers=3):
    return judge_topic(EVENTS_TOPIC, found, WANTED, replicas, brokers)


def test_a_topic_as_migrate_makes_it():
    assert judged() == (
        "topic audit.events.v1",
        Verdict.OK,
        "2 partitions, 3 replicas, kept 7 days, LogAppendTime",
        "",
    )
    assert judged(WANTED, [(1, 1)], 1).seen == "1 partition, 1 replica, kept 7 days, LogAppendTime"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("message.timestamp.type", "CreateTime"),
        ("retention.ms", "3600000"),
        ("max.message.bytes", "1000"),
        ("cleanup.policy", "compact"),
        ("cleanup.policy", None),
    ],
)
def test_another_configuration_fails(key, value):
    finding = judged({**SAFE, key: value})
    assert finding.verdict is Verdict.FAILED
    assert finding.seen == f"{key} is {value}, not {WANTED[key]}"
    assert finding.remedy == "run orgtrail migrate"


@pytest.mark.parametrize("value", ["-1", "99999999999"])
def test_records_may_be_kept_longer(value):
    assert judged({**SAFE, "retention.ms": value}).verdict is Verdict.OK


@pytest.mark.parametrize(
    ("replicas", "brokers", "seen"),
    [
        ([(1, 1), (3, 3)], 3, "1 replica on 3 brokers: the loss of one loses events"),
        ([(1, 1)], 2, "1 replica on 2 brokers: the loss of one loses events"),
        ([(3, 3), (3, 2)], 3, "a partition has replicas that are not in sync"),
    ],
)
def test_too_few_replicas_fail(replicas, brokers, seen):
    finding = judged(replicas=replicas, brokers=brokers)
    assert (finding.verdict, finding.seen) == (Verdict.FAILED, seen)


def test_one_broker_may_not_confirm_alone():
    finding = judged(SAFE | {"min.insync.replicas": "1"})
    assert finding.verdict is Verdict.FAILED
    assert finding.remedy == "set min.insync.replicas to 2"


def acl(principal, operation=AclOperation.WRITE):
    return AclBinding(
        ResourceType.TOPIC, EVENTS_TOPIC, ResourcePatternType.LITERAL, principal, "*", operation,
        AclPermissionType.ALLOW,
    )  # fmt: skip


def test_writers_are_named():
    some = [acl("User:b"), acl("User:a", AclOperation.ALL), acl("User:c", AclOperation.READ)]
    assert judge_writers("?", some)[1:3] == (Verdict.OK, "User:a, User:b")
    assert judge_writers("?", []).seen == "nobody but superusers"


def test_everybody_may_not_write():
    assert judge_writers("?", [acl("User:a"), acl("User:*")]).verdict is Verdict.FAILED
