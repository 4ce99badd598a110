"""``settled_through``: everything received until then is in the answer, or counted as set aside.

Each test sends records, of which Kafka tells when it received them, and asks list and export all
the while: no answer may claim more than it holds.
"""

from __future__ import annotations

import signal
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewPartitions
from tests.chaos.arena import PARTITIONS, Arena
from tests.support.events import datum
from tests.support.running import eventually
from tests.support.service import OwnService, service_over

from orgtrail import Actor, AuditProducer, ProducerSettings
from orgtrail.event_id import new_event_id
from orgtrail_deploy.local.issuer import make_token
from orgtrail_schemas.topics import EVENTS_TOPIC

FAST = {"ORGTRAIL_IDLE_MARGIN_S": "1"}
"""Five seconds by default, which every test would wait."""


class Witness:
    """Knows what Kafka received, and what each answer of the service claims."""

    def __init__(self, arena: Arena, service: OwnService, org: str) -> None:
        self.org = org
        self._arena = arena
        self._service = service
        self._token = make_token(arena.root, [org], datetime.now(UTC), lasts=timedelta(hours=1))
        self.received: dict[str, int] = {}
        self.bad: list[int] = []

    def send(self, partition: int, *, bad: bool = False, producer: Producer | None = None) -> int:
        """Send one record; when the broker received it, in ms. With a producer: when it is told."""
        event_id = str(new_event_id())
        changed: dict[str, Any] = {"event_id": event_id, "org_id": self.org}
        if bad:
            changed["occurred_at"] = datetime.now(UTC) - timedelta(days=100)
        told: list[int] = []

        def delivered(error: object, message: Any) -> None:
            assert error is None, error
            told.append(message.timestamp()[1])

        own = producer or Producer({"bootstrap.servers": self._arena.brokers})
        own.produce(
            EVENTS_TOPIC,
            datum(**changed),
            self.org.encode(),
            partition=partition,
            on_delivery=delivered,
        )
        own.flush(20)
        if bad:
            self.bad.append(told[0])
        else:
            self.received[event_id] = told[0]
        return told[0]

    def ask(self) -> int | None:
        """Ask list and export; the time (ms) that the list claims, which must be true."""
        path = f"/v1/orgs/{self.org}/events"
        page = self._service.get(path, self._token, params={"limit": 1000}).json()
        through = self._judge(
            page["settled_through"], page["set_aside"], {e["event_id"] for e in page["events"]}
        )
        answer = self._service.get(f"{path}/export.jsonl", self._token)
        lines = [msgspec.json.decode(line) for line in answer.content.splitlines()]
        self._judge(
            answer.headers["orgtrail-settled-through"] or None,
            int(answer.headers["orgtrail-set-aside"]),
            {line["event_id"] for line in lines},
        )
        return through

    def _judge(self, claimed: str | None, aside: int, shown: set[str]) -> int | None:
        if claimed is None:
            return None
        through = round(datetime.fromisoformat(claimed).timestamp() * 1000)
        owed = {event_id for event_id, at in self.received.items() if at < through}
        assert owed <= shown, (claimed, owed - shown)
        assert aside >= sum(at < through for at in self.bad), claimed
        return through

    def never_past(self, moment: int, seconds: float) -> None:
        """For so long no answer claims to know what was received at that moment."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            through = self.ask()
            assert through is None or through <= moment
            time.sleep(0.1)

    def comes_past(self, moment: int) -> None:
        """Soon an answer does."""
        eventually(lambda: (self.ask() or 0) > moment, 40)


@pytest.fixture(scope="module")
def service(_arena, tmp_path_factory):
    with service_over(_arena, tmp_path_factory.mktemp("serve")) as made:
        yield made


@pytest.fixture
def witness(request, arena, service):
    return Witness(arena, service, request.node.name.removeprefix("test_")[:60])


def test_nothing_is_claimed_before_every_partition_was_reported(arena, witness):
    assert witness.ask() is None
    sent = witness.send(0)
    arena.start_consumer(**FAST).wait_ready()
    witness.comes_past(sent)


@pytest.mark.long
def test_an_idle_partition_goes_along_and_a_consumer_that_is_behind_stays(arena, witness):
    worker = arena.start_consumer(**FAST).wait_ready()
    # In one partition only: the others are idle, and hold nothing back.
    witness.comes_past(witness.send(0))
    worker.child.signal(signal.SIGSTOP)
    try:
        sent = witness.send(0)
        witness.send(1)
        witness.never_past(sent, 3)
    finally:
        worker.child.signal(signal.SIGCONT)
    witness.comes_past(max(witness.received.values()))
    assert len(witness.received) == 3


@pytest.mark.long
def test_an_open_transaction_that_commits_late(arena, witness):
    arena.start_consumer(**FAST).wait_ready()
    witness.comes_past(witness.send(2))
    producer = Producer({"bootstrap.servers": arena.brokers, "transactional.id": "settled"})
    producer.init_transactions(20)
    producer.begin_transaction()
    sent = witness.send(2, producer=producer)
    for partition in range(PARTITIONS):
        witness.send(partition)
    witness.never_past(sent, 5)
    producer.commit_transaction(20)
    witness.comes_past(max(witness.received.values()))


def test_a_spool_that_arrives_late(arena, witness, tmp_path):
    """Its events occurred before what is settled, and are received after it."""
    arena.start_consumer(**FAST).wait_ready()
    settings = {"spool_dir": tmp_path / "spool", "close_seconds": 1}
    with AuditProducer(ProducerSettings.load(kafka_brokers="127.0.0.1:1", **settings)) as producer:
        actor = Actor(id="u-1", email="late@x")
        event_id = producer.emit("user.login", org_id=witness.org, actor=actor)
    occurred = datetime.now(UTC).timestamp() * 1000
    witness.comes_past(int(occurred))
    through = witness.ask()
    with AuditProducer(ProducerSettings.load(kafka_brokers=arena.brokers, **settings)) as producer:
        eventually(lambda: producer.spooled == 0)
    query = (
        "SELECT toUnixTimestamp64Milli(received_at) FROM audit.events_store"
        f" WHERE event_id = '{event_id}'"
    )
    eventually(lambda: arena.query(query))
    witness.received[str(event_id)] = arena.query(query)[0][0]
    assert through is not None
    assert witness.received[str(event_id)] >= through
    witness.comes_past(witness.received[str(event_id)])


def test_records_that_are_set_aside(arena, witness):
    worker = arena.start_consumer(**FAST).wait_ready()
    worker.child.signal(signal.SIGSTOP)
    try:
        sent = witness.send(3, bad=True)
        witness.never_past(sent, 1)
    finally:
        worker.child.signal(signal.SIGCONT)
    witness.comes_past(sent)
    assert not witness.received


def test_a_partition_that_is_added(arena, witness):
    """What it holds is not claimed before somebody reads it."""
    arena.start_consumer(**FAST).wait_ready()
    witness.comes_past(witness.send(0))
    admin = AdminClient({"bootstrap.servers": arena.brokers})
    count = len(admin.list_topics(EVENTS_TOPIC).topics[EVENTS_TOPIC].partitions)
    for future in admin.create_partitions([NewPartitions(EVENTS_TOPIC, count + 1)]).values():
        future.result(20)
    producer = Producer({"bootstrap.servers": arena.brokers, "metadata.max.age.ms": 100})
    eventually(
        lambda: len(producer.list_topics(EVENTS_TOPIC).topics[EVENTS_TOPIC].partitions) > count
    )
    sent = witness.send(count, producer=producer)
    witness.comes_past(sent)
