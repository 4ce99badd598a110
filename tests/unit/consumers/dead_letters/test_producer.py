"""Dead letters are acknowledged by the topic or written to the local folder, or ``send`` raises."""

import confluent_kafka
import pytest
from confluent_kafka import KafkaError, KafkaException
from tests.support.batches import NOW_MS, batch

from orgtrail_consumers import metrics
from orgtrail_consumers.dead_letters import producer
from orgtrail_consumers.dead_letters.folder import kept
from orgtrail_consumers.dead_letters.producer import DeadLetterProducer
from orgtrail_consumers.errors import DeadLetterError
from orgtrail_consumers.kafka.batch import Rejected

DLQ = "audit.events.v1.dlq"
BAD = [Rejected(0, "malformed", "EOFError")]


@pytest.fixture
def impatient(monkeypatch):
    """The production limits are 30 seconds."""
    short = {"delivery.timeout.ms": 3_000, "topic.metadata.propagation.max.ms": 500}
    monkeypatch.setattr(producer, "Producer", lambda c: confluent_kafka.Producer({**c, **short}))


def refused():
    return metrics.REFUSED_DEAD_LETTERS._value.get()


def test_only_the_rejected_records_arrive_unchanged_with_the_reason_last(broker, settings):
    forged = [("h", b"\xff"), ("h", b"2"), ("orgtrail-reason", b"forged")]
    given = batch(b"good", b"\x00bad", None, first_offset=7, headers={1: forged})
    rejected = [Rejected(1, "malformed", "EOFError"), Rejected(2, "empty_value", "")]
    DeadLetterProducer(settings).send(given, rejected, 5)
    bad, empty = broker.records(2, topic=DLQ)
    assert (bad.key(), bad.value(), empty.value()) == (b"acme", b"\x00bad", None)
    assert bad.headers() == [
        ("h", b"\xff"),
        ("h", b"2"),
        ("orgtrail-reason", b"forged"),
        ("orgtrail-reason", b"malformed"),
        ("orgtrail-detail", b"EOFError"),
        ("orgtrail-source", f"audit.events.v1/0/8/{NOW_MS}".encode()),
    ]
    assert dict(empty.headers())["orgtrail-reason"] == b"empty_value"
    assert list(kept(settings.local_dead_letters)) == []


@pytest.mark.parametrize(
    "code",
    [
        KafkaError.MSG_SIZE_TOO_LARGE,
        KafkaError.INVALID_RECORD,
        KafkaError.POLICY_VIOLATION,
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
    ],
)
def test_a_letter_that_the_topic_rejects_goes_to_the_local_folder(broker, settings, code):
    before = refused()
    broker.fail_produce(code)
    DeadLetterProducer(settings).send(batch(b"\x00bad", first_offset=7), BAD, 5)
    ((name, letter),) = kept(settings.local_dead_letters)
    assert name == f"audit.events.v1_0_7_{NOW_MS}"
    assert (letter.reason, letter.detail, letter.set_aside_at) == ("malformed", "EOFError", 5)
    assert (letter.key, letter.value, letter.source) == (
        b"acme",
        b"\x00bad",
        name.replace("_", "/"),
    )
    assert refused() - before == 1


@pytest.mark.parametrize(
    "code", [KafkaError.NOT_LEADER_FOR_PARTITION, KafkaError.REQUEST_TIMED_OUT]
)
def test_a_passing_error_of_the_broker_is_retried(broker, settings, code):
    broker.fail_produce(code, count=2)
    DeadLetterProducer(settings).send(batch(b"bad"), BAD, 5)
    assert len(broker.records(1, topic=DLQ)) == 1


def test_a_letter_that_nobody_acknowledged_is_an_error_and_may_be_sent_again(
    broker, settings, impatient
):
    letters = DeadLetterProducer(settings)
    broker.down()
    with pytest.raises(DeadLetterError, match="timed out"):
        letters.send(batch(b"bad"), BAD, 5)
    assert list(kept(settings.local_dead_letters)) == []
    broker.up()
    for _ in range(20):
        try:
            letters.send(batch(b"bad"), BAD, 5)
            break
        except DeadLetterError:
            continue
    assert {r.value() for r in broker.records(1, topic=DLQ)} == {b"bad"}


def test_without_its_topic_a_letter_goes_to_the_local_folder(broker, tmp_path, impatient):
    from orgtrail_consumers.settings import ConsumerSettings

    settings = ConsumerSettings(
        kafka_brokers=broker.address, data_dir=tmp_path, dead_letter_topic="gone"
    )
    letters = DeadLetterProducer(settings)
    for _ in range(2):
        letters.send(batch(b"bad"), BAD, 5)
    assert len(list(kept(settings.local_dead_letters))) == 1


def test_a_folder_that_cannot_be_written_is_an_error(broker, settings):
    settings.local_dead_letters.write_text("a file")
    broker.fail_produce(KafkaError.MSG_SIZE_TOO_LARGE)
    with pytest.raises(DeadLetterError, match="local folder"):
        DeadLetterProducer(settings).send(batch(b"bad"), BAD, 5)


class FakeProducer:
    """Raises ``error`` for each record, or leaves ``waiting`` records unacknowledged."""

    def __init__(self, error=None, waiting=0):
        self.error, self.waiting = error, waiting

    def produce(self, *_args, **_options):
        if self.error:
            raise self.error

    def poll(self, _seconds):
        return 0

    def flush(self, _seconds):
        return self.waiting


@pytest.mark.parametrize(
    ("fake", "message"),
    [
        (FakeProducer(BufferError()), "buffer is full"),
        (FakeProducer(KafkaException(KafkaError(KafkaError._FATAL))), "Fatal"),
        (FakeProducer(waiting=1), "no acknowledgement in time"),
    ],
)
def test_whatever_is_not_acknowledged_is_an_error(offline, monkeypatch, fake, message):
    monkeypatch.setattr(producer, "Producer", lambda _config: fake)
    with pytest.raises(DeadLetterError, match=message):
        DeadLetterProducer(offline).send(batch(b"bad"), BAD, 5)
    assert list(kept(offline.local_dead_letters)) == []


def test_a_letter_too_large_for_the_client_goes_to_the_local_folder(offline, monkeypatch):
    error = KafkaException(KafkaError(KafkaError.MSG_SIZE_TOO_LARGE))
    monkeypatch.setattr(producer, "Producer", lambda _config: FakeProducer(error))
    DeadLetterProducer(offline).send(batch(b"bad"), BAD, 5)
    assert len(list(kept(offline.local_dead_letters))) == 1


def test_after_a_failure_certificates_are_read_again(offline, monkeypatch):
    made = []

    def connect(_config):
        made.append(FakeProducer(waiting=1 if len(made) < 1 else 0))
        if len(made) == 2:
            # A certificate that is being written at this moment.
            raise KafkaException(KafkaError(KafkaError._INVALID_ARG))
        return made[-1]

    monkeypatch.setattr(producer, "Producer", connect)
    letters = DeadLetterProducer(offline)
    with pytest.raises(DeadLetterError, match="no acknowledgement in time"):
        letters.send(batch(b"bad"), BAD, 5)
    with pytest.raises(DeadLetterError, match="no connection"):
        letters.send(batch(b"bad"), BAD, 5)
    letters.send(batch(b"bad"), BAD, 5)
    letters.send(batch(b"bad"), BAD, 5)
    assert len(made) == 3
