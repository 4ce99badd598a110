"""Every dead letter comes back as it was sent: from the topic, then from the local folder."""

from datetime import UTC, datetime

import pytest
from confluent_kafka import KafkaError, KafkaException
from tests.support.batches import NOW_MS, batch
from tests.support.events import RawProducer

from orgtrail_consumers.dead_letters import reader
from orgtrail_consumers.dead_letters.folder import KeptLetter, keep
from orgtrail_consumers.dead_letters.producer import DeadLetterProducer
from orgtrail_consumers.dead_letters.reader import read_dead_letters
from orgtrail_consumers.kafka.batch import Rejected
from orgtrail_consumers.settings import ConsumerSettings

DLQ = "audit.events.v1.dlq"
OURS = [("orgtrail-reason", b"malformed"), ("orgtrail-detail", b"d"), ("orgtrail-source", b"s")]
LOCAL = KeptLetter(
    set_aside_at=1_700_000_000_123,
    reason="malformed",
    detail="EOFError",
    source="audit.events.v1/0/3/5",
    key=None,
    value=b"\xff",
    headers=[("h", None)],
)


def test_a_letter_comes_back_as_the_record_that_was_sent(settings):
    forged = [("h", b"\xff"), ("orgtrail-reason", b"forged")]
    given = batch(b"\x00bad", None, first_offset=7, headers={0: forged}, keys={1: None})
    rejected = [Rejected(0, "malformed", "EOFError"), Rejected(1, "empty_value", "")]
    DeadLetterProducer(settings).send(given, rejected, 5)
    letters = {letter.value: letter for letter in read_dead_letters(settings)}
    bad, empty = letters[b"\x00bad"], letters[None]
    assert (bad.reason, bad.detail, bad.key) == ("malformed", "EOFError", b"acme")
    assert bad.headers == [("h", b"\xff"), ("orgtrail-reason", b"forged")]
    assert bad.source == f"audit.events.v1/0/7/{NOW_MS}"
    assert bad.set_aside_at.tzinfo is UTC
    assert (empty.key, empty.headers) == (None, [])


def test_all_partitions_are_read_to_their_end_and_each_in_its_order(broker, settings):
    raw = RawProducer(broker.address)
    for value in (b"1", b"2", b"3"):
        for partition in (3, 0):
            raw.send(value, topic=DLQ, headers=OURS, partition=partition)
    letters = list(read_dead_letters(settings))
    assert sorted(letter.location for letter in letters) == [
        f"{partition}/{offset}" for partition in (0, 3) for offset in range(3)
    ]
    for partition in "03":
        values = [x.value for x in letters if x.location.startswith(partition)]
        assert values == [b"1", b"2", b"3"]


@pytest.mark.parametrize(
    ("headers", "reason", "original"),
    [
        ([], "", []),
        ([("other", b"1")], "", []),
        ([("a", None), *OURS], "malformed", [("a", None)]),
        ([*OURS, *OURS], "malformed", OURS),
        ([("orgtrail-reason", b"\xff"), *OURS[1:]], "\ufffd", []),
    ],
)
def test_a_record_that_no_worker_wrote_is_listed_too(broker, settings, headers, reason, original):
    RawProducer(broker.address).send(b"x", topic=DLQ, headers=headers)
    (letter,) = read_dead_letters(settings)
    assert (letter.reason, letter.headers) == (reason, original)


def test_the_local_folder_follows_the_topic(broker, settings):
    keep(settings.local_dead_letters, LOCAL)
    RawProducer(broker.address).send(b"x", topic=DLQ, headers=OURS)
    _, local = read_dead_letters(settings)
    assert local.location == "local/audit.events.v1_0_3_5"
    assert local.set_aside_at == datetime(2023, 11, 14, 22, 13, 20, 123_000, UTC)
    assert (local.key, local.value, local.headers) == (None, b"\xff", [("h", None)])


def test_no_letters_are_no_error(settings):
    assert list(read_dead_letters(settings)) == []


def test_a_topic_that_does_not_exist_is_an_error(broker, tmp_path):
    given = {"kafka_brokers": broker.address, "data_dir": tmp_path, "dead_letter_topic": "gone"}
    with pytest.raises(KafkaException, match="UNKNOWN_TOPIC"):
        list(read_dead_letters(ConsumerSettings(**given)))


class Silent:
    """A consumer of one record that never comes."""

    closed = False

    def __init__(self, topics):
        self.list_topics = topics

    def get_watermark_offsets(self, _partition, timeout):
        return 0, 1

    def assign(self, _positions):
        pass

    def poll(self, _seconds):
        return None

    def close(self):
        self.closed = True


def test_a_letter_that_does_not_come_is_an_error_and_not_the_end(offline, monkeypatch):
    from types import SimpleNamespace

    topic = SimpleNamespace(error=None, partitions={0: None})
    silent = Silent(lambda name, timeout: SimpleNamespace(topics={name: topic}))
    monkeypatch.setattr(reader, "Consumer", lambda _config: silent)
    with pytest.raises(KafkaException) as error:
        list(read_dead_letters(offline))
    assert error.value.args[0].code() == KafkaError._TIMED_OUT
    assert silent.closed
