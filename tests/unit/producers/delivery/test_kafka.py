"""The Kafka client: what is sent, what an error means, and whether Kafka is usable."""

import time
from contextlib import suppress

import pytest
from confluent_kafka import KafkaError, KafkaException
from tests.unit.producers.delivery.conftest import NOWHERE

from orgtrail import ProducerSettings, SettingsError
from orgtrail.delivery.kafka import KafkaClient, Verdict, check, judge, reason
from orgtrail.envelope import Envelope, headers
from orgtrail.errors import UnreachableError

ENVELOPE = Envelope(1, 2, "acme", b"value", "id-1", "user.login", "svc", 3, "00-trace")


def settings(brokers=NOWHERE, **more):
    return ProducerSettings.load(kafka_brokers=brokers, **more)


def client(brokers, **more):
    return KafkaClient(settings(brokers, **more), lambda _text: None)


def deliver(sender, *envelopes, seconds=10):
    """The errors of the delivery reports."""
    reports = []
    for envelope in envelopes:
        sender.send(envelope, lambda error, message: reports.append(error))
    deadline = time.monotonic() + seconds
    while len(reports) < len(envelopes) and time.monotonic() < deadline:
        # A refusal is fatal for the client, which the sender replaces.
        with suppress(KafkaException):
            sender.poll(0.05)
    return reports


def test_a_record_is_sent_as_its_envelope_says(broker):
    assert deliver(client(broker.address), ENVELOPE) == [None]
    (record,) = broker.records(1)
    assert (record.key(), record.value()) == (b"acme", b"value")
    assert record.headers() == headers(ENVELOPE)


def test_an_organization_has_one_partition_that_java_clients_choose_too(broker):
    orgs = ["acme", "globex", "initech", "a"] * 3
    deliver(client(broker.address), *(Envelope(n, 0, org, b"v", f"{n}", "e", "s", 0) for n, org in enumerate(orgs)))  # fmt: skip
    partitions = {}
    for record in broker.records(len(orgs)):
        partitions.setdefault(record.key().decode(), set()).add(record.partition())
    # (murmur2(key) & 0x7fffffff) % 4, as Utils.murmur2 of Kafka's Java client computes it.
    assert partitions == {org: {murmur2(org.encode()) % 4} for org in set(orgs)}


def murmur2(data):
    m, length = 0x5BD1E995, len(data)
    h = (0x9747B28C ^ length) & 0xFFFFFFFF
    for i in range(0, length - length % 4, 4):
        k = int.from_bytes(data[i : i + 4], "little") * m & 0xFFFFFFFF
        k = (k ^ k >> 24) * m & 0xFFFFFFFF
        h = (h * m & 0xFFFFFFFF) ^ k
    rest = data[length - length % 4 :]
    if rest:
        h = (h ^ int.from_bytes(rest, "little")) * m & 0xFFFFFFFF
    h = (h ^ h >> 13) * m & 0xFFFFFFFF
    return (h ^ h >> 15) & 0x7FFFFFFF


def test_a_record_that_kafka_refuses_is_reported_with_a_refusal(broker):
    broker.fail_produce(KafkaError.INVALID_RECORD, 1)
    (error,) = deliver(client(broker.address), ENVELOPE)
    assert judge(error) is Verdict.REFUSED


def test_without_kafka_nothing_is_reported_but_the_connection(broker):
    told = []
    broker.down()
    sender = KafkaClient(settings(broker.address), told.append)
    assert deliver(sender, ENVELOPE, seconds=1) == []
    assert told
    sender.discard()


@pytest.mark.parametrize(
    ("code", "verdict"),
    [
        (KafkaError.MSG_SIZE_TOO_LARGE, Verdict.REFUSED),
        (KafkaError.INVALID_RECORD, Verdict.REFUSED),
        (KafkaError.POLICY_VIOLATION, Verdict.REFUSED),
        (KafkaError.TOPIC_AUTHORIZATION_FAILED, Verdict.OUTAGE),
        (KafkaError.UNKNOWN_TOPIC_OR_PART, Verdict.OUTAGE),
        (KafkaError.NOT_ENOUGH_REPLICAS, Verdict.OUTAGE),
        (KafkaError._ALL_BROKERS_DOWN, Verdict.OUTAGE),
        (KafkaError._FATAL, Verdict.OUTAGE),
        (KafkaError._PURGE_QUEUE, Verdict.OUTAGE),
    ],
)
def test_only_what_is_wrong_with_the_record_is_a_refusal(code, verdict):
    assert judge(KafkaError(code)) is judge(KafkaException(KafkaError(code))) is verdict


@pytest.mark.parametrize("error", [BufferError("full"), ValueError(), None, "text"])
def test_an_error_of_another_kind_is_tried_again(error):
    assert judge(error) is Verdict.OUTAGE


@pytest.mark.parametrize(
    ("error", "parts"),
    [
        (KafkaError(KafkaError.INVALID_RECORD, "no\nentry"), ["INVALID_RECORD", "no"]),
        (KafkaException(KafkaError(KafkaError.INVALID_RECORD, "x")), ["INVALID_RECORD", "x"]),
        (BufferError("full"), ["BufferError", "full"]),
        (ValueError(), ["ValueError"]),
    ],
)
def test_a_reason_names_the_kind_and_the_text(error, parts):
    assert all(part in reason(error) for part in parts)


def test_kafka_and_its_topic_are_checked(broker):
    check(settings(broker.address), 5)


def test_kafka_that_is_unreachable_is_named(broker):
    with pytest.raises(UnreachableError, match=rf"^[^\n]*{NOWHERE}[^\n]*$"):
        check(settings(), 0.3)


@pytest.mark.parametrize(
    "use", [lambda given: KafkaClient(given, print), lambda given: check(given, 1)]
)
def test_a_setting_that_librdkafka_rejects_is_a_settings_error_without_the_password(use, tmp_path):
    given = settings(
        kafka_security_protocol="SASL_SSL", kafka_sasl_mechanism="PLAIN", kafka_sasl_username="u",
        kafka_sasl_password="s3cret", kafka_ca_file=tmp_path / "missing.pem",
    )  # fmt: skip
    with pytest.raises(SettingsError) as refused:
        use(given)
    assert "s3cret" not in str(refused.value)
