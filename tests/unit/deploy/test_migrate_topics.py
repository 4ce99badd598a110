"""Topics: created when missing, brought in line when they exist, never repartitioned."""

from types import SimpleNamespace

import confluent_kafka.admin
import pytest
from confluent_kafka import KafkaError, KafkaException

from orgtrail_deploy.errors import StackError
from orgtrail_deploy.migrate_topics import migrate_topics
from orgtrail_schemas.topics import DEAD_LETTER_TOPIC, EVENTS_TOPIC, topic_configs

KAFKA = {"bootstrap.servers": "kafka.example:9092"}


class Cluster:
    """An admin client whose topics are in ``topics``; ``fails`` names the call that fails."""

    def __init__(self, *topics, fails=""):
        self.topics, self.fails = set(topics), fails
        self.created, self.altered = [], {}

    def __call__(self, config):
        assert config["bootstrap.servers"] == KAFKA["bootstrap.servers"]
        return self

    def _future(self, call):
        error = KafkaException(KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED, "not allowed"))

        def result(_seconds):
            if self.fails == call:
                raise error

        return SimpleNamespace(result=result)

    def list_topics(self, timeout):
        self._future("list").result(timeout)
        return SimpleNamespace(topics=dict.fromkeys(self.topics))

    def create_topics(self, topics):
        self.created += topics
        return {topic.topic: self._future("create") for topic in topics}

    def incremental_alter_configs(self, resources):
        for resource in resources:
            entries = resource.incremental_configs
            self.altered[resource.name] = {entry.name: entry.value for entry in entries}
        return {resource.name: self._future("alter") for resource in resources}


def run(monkeypatch, cluster, **options):
    monkeypatch.setattr(confluent_kafka.admin, "AdminClient", cluster)
    return migrate_topics(KAFKA, **({"partitions": 6, "replication": 3} | options))


@pytest.mark.parametrize(
    ("existing", "missing"),
    [
        ([], [EVENTS_TOPIC, DEAD_LETTER_TOPIC]),
        (["someone.elses"], [EVENTS_TOPIC, DEAD_LETTER_TOPIC]),
        ([EVENTS_TOPIC], [DEAD_LETTER_TOPIC]),
        ([EVENTS_TOPIC, DEAD_LETTER_TOPIC], []),
    ],
)
def test_missing_topics_are_created_and_the_others_configured(monkeypatch, existing, missing):
    cluster = Cluster(*existing)
    assert run(monkeypatch, cluster, retention_days=14) == missing
    configs = topic_configs(14)
    assert {topic.topic: topic.config for topic in cluster.created} == {
        name: configs[name] for name in missing
    }
    assert {(t.num_partitions, t.replication_factor) for t in cluster.created} <= {(6, 3)}
    assert cluster.altered == {name: configs[name] for name in configs if name not in missing}


@pytest.mark.parametrize("call", ["list", "create", "alter"])
def test_whatever_kafka_rejects_is_one_line(monkeypatch, call):
    with pytest.raises(StackError, match=r"^[^\n]*not allowed[^\n]*$"):
        run(monkeypatch, Cluster(EVENTS_TOPIC, fails=call))
