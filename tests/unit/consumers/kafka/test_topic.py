"""A worker starts only on a topic that exists and whose times the broker sets."""

from types import SimpleNamespace

import pytest
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AclOperation, ResourceType
from tests.support.mock_broker import MockBroker

from orgtrail_consumers.kafka import topic
from orgtrail_consumers.kafka.topic import TopicError, validate_topic
from orgtrail_consumers.settings import ConsumerSettings

TOPIC = "audit.events.v1"


def settings(**given):
    return ConsumerSettings(idle_margin_s=5, **given)


class Admin:
    """Kafka's answers: ``lag`` is the brokers' setting, or the error of asking for it."""

    def __init__(self, replicas=(1,), kind="LogAppendTime", lag="30000", error=None, told=None):
        self.partitions = {
            n: SimpleNamespace(replicas=list(range(count)), leader=n)
            for n, count in enumerate(replicas)
        }
        self.kind, self.lag, self.error, self.asked = kind, lag, error, []
        self.told = told or {}

    def list_topics(self, timeout):
        if self.error:
            raise self.error
        return SimpleNamespace(topics={TOPIC: SimpleNamespace(partitions=self.partitions)})

    def describe_configs(self, resources):
        (resource,) = resources
        self.asked.append((resource.restype, resource.name))
        return {resource: SimpleNamespace(result=lambda _timeout: self.answer(resource.restype))}

    def describe_topics(self, topics, **_options):
        return {name: self._told("topic", name) for name in (TOPIC, f"{TOPIC}.dlq")}

    def describe_consumer_groups(self, groups, **_options):
        return {name: self._told("group", name) for name in groups}

    def _told(self, kind, name):
        told = self.told.get(name, [AclOperation.READ, AclOperation.WRITE])

        def result(_timeout):
            if isinstance(told, KafkaException):
                raise told
            return SimpleNamespace(authorized_operations=told)

        return SimpleNamespace(result=result)

    def answer(self, kind):
        if kind == ResourceType.TOPIC:
            return {"message.timestamp.type": SimpleNamespace(value=self.kind)}
        if isinstance(self.lag, Exception):
            raise self.lag
        return (
            {} if self.lag is None else {"replica.lag.time.max.ms": SimpleNamespace(value=self.lag)}
        )


@pytest.fixture
def answering(monkeypatch):
    def use(**answers):
        admin = Admin(**answers)
        monkeypatch.setattr(topic, "AdminClient", lambda config: admin)
        return admin

    return use


@pytest.mark.parametrize(
    ("replicas", "lag", "margin"),
    [
        ((1,), "30000", 5_000),
        ((), "30000", 5_000),
        ((3,), "30000", 50_000),
        ((1, 3), "10000", 20_000),
        ((2,), "0", 5_000),
        # Brokers may not be described to everybody: Kafka's default applies.
        ((3,), None, 50_000),
        ((3,), KafkaException(KafkaError(KafkaError.CLUSTER_AUTHORIZATION_FAILED)), 50_000),
    ],
)
def test_replicas_extend_the_margin_by_how_long_they_may_lag(answering, replicas, lag, margin):
    answering(replicas=replicas, lag=lag)
    assert validate_topic(settings()) == margin


def test_the_leader_of_a_replicated_partition_is_asked(answering):
    admin = answering(replicas=(1, 1, 3))
    validate_topic(settings())
    assert admin.asked == [(ResourceType.TOPIC, TOPIC), (ResourceType.BROKER, "2")]


def test_times_that_a_producer_could_forge_are_refused(answering):
    answering(kind="CreateTime")
    with pytest.raises(TopicError, match=r"CreateTime.*run orgtrail migrate"):
        validate_topic(settings())


def test_a_topic_that_is_missing_is_named_with_the_fix(answering):
    answering()
    told = r"^topic other does not exist, or .* lacks Read on it: run orgtrail migrate, or grant"
    with pytest.raises(TopicError, match=told):
        validate_topic(settings(topic="other"))


def test_kafka_that_does_not_answer_is_named_with_its_address(answering):
    answering(error=KafkaException(KafkaError(KafkaError._TRANSPORT, "no broker")))
    with pytest.raises(TopicError, match=r"^Kafka at a:1 is unreachable: no broker$"):
        validate_topic(settings(kafka_brokers="a:1"))


def test_a_broker_says_which_topics_it_has():
    broker = MockBroker()
    try:
        with pytest.raises(TopicError, match="topic missing does not exist"):
            validate_topic(settings(kafka_brokers=broker.address, topic="missing"))
    finally:
        broker.close()


REFUSED = {
    name: KafkaException(KafkaError(code))
    for name, code in (
        (TOPIC, KafkaError.TOPIC_AUTHORIZATION_FAILED),
        (f"{TOPIC}.dlq", KafkaError.TOPIC_AUTHORIZATION_FAILED),
        ("orgtrail", KafkaError.GROUP_AUTHORIZATION_FAILED),
    )
}


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("told", ["refused", [AclOperation.DESCRIBE]], ids=str)
def test_a_right_that_is_missing_is_named(answering, name, told):
    right = {TOPIC: "Read on topic", f"{TOPIC}.dlq": "Write on topic", "orgtrail": "Read on group"}
    answering(told={name: REFUSED[name] if told == "refused" else told})
    with pytest.raises(TopicError, match=rf"^the Kafka user lacks {right[name]} {name}$"):
        validate_topic(settings())


@pytest.mark.parametrize(
    "told",
    [
        {"orgtrail": KafkaException(KafkaError(KafkaError.GROUP_ID_NOT_FOUND))},
        {f"{TOPIC}.dlq": KafkaException(KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART))},
        {TOPIC: None, "orgtrail": []},
    ],
    ids=["a group that nobody joined", "no topic of dead letters", "an old broker"],
)
def test_what_kafka_does_not_say_is_no_reason_not_to_start(answering, told):
    answering(told=told)
    assert validate_topic(settings()) == 5_000


def test_the_right_to_read_the_topics_settings_is_named(answering):
    answering().answer = lambda _kind: (_ for _ in ()).throw(REFUSED[TOPIC])
    with pytest.raises(
        TopicError, match=f"^the Kafka user lacks DescribeConfigs on topic {TOPIC}$"
    ):
        validate_topic(settings())
