"""The sample account service, killed at random over outages of Kafka: what it accepted arrives."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx
from confluent_kafka import Consumer, TopicPartition
from tests.chaos.arena import PARTITIONS, Arena
from tests.chaos.conftest import TALLY
from tests.support.running import eventually

from orgtrail_deploy.local.ports import free_ports
from orgtrail_schemas.topics import EVENTS_TOPIC

ORGS = [f"kills-{n}" for n in range(4)]
PASSWORD = "correct horse"


class Service:
    """The sample service in a process of its own, started again after each kill."""

    def __init__(self, brokers: str, folder: Path) -> None:
        (port,) = free_ports(1)
        self.url = f"http://127.0.0.1:{port}"
        self._command = [
            Path(sys.executable).with_name("uvicorn"), "--factory", "--port", str(port),
            "--log-level", "warning", "orgtrail_deploy.sample.app:create_app",
        ]  # fmt: skip
        self._env = os.environ | {
            "ORGTRAIL_KAFKA_BROKERS": brokers,
            "ORGTRAIL_SPOOL_DIR": str(folder / "spool"),
        }
        self._log = folder / "service.log"
        self.start()

    def start(self) -> None:
        with self._log.open("a") as log:
            self.process = subprocess.Popen(
                [str(part) for part in self._command], env=self._env, stdout=log, stderr=log
            )

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


class People:
    """One person of each organization, who signs in again and again."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._stop = threading.Event()
        self.accepted: dict[str, list[str]] = {org: [] for org in ORGS}
        self._threads = [threading.Thread(target=self._sign_in, args=(org,)) for org in ORGS]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _sign_in(self, org: str) -> None:
        person = {"email": f"a@{org}.example", "password": PASSWORD}
        with httpx.Client(base_url=self._url, timeout=10) as client:
            while not self._stop.is_set():
                try:
                    answer = client.post("/sign-in", json=person)
                    if answer.status_code == 401:
                        answer = client.post("/sign-up", json=person | {"org_id": org, "name": "A"})
                    answer.raise_for_status()
                    self.accepted[org].append(answer.json()["event_id"])
                except httpx.TransportError:
                    time.sleep(0.05)


def test_kills_of_the_emitting_service(arena: Arena, rounds: int, tmp_path: Path) -> None:
    kills = 20 * rounds if rounds > 1 else 6
    chance = random.Random(20261126)
    proxy = arena.kafka_proxies[0]
    service = Service(arena.brokers, tmp_path)
    people = People(service.url)
    try:
        for number in range(kills):
            before = sum(map(len, people.accepted.values()))
            eventually(lambda before=before: sum(map(len, people.accepted.values())) > before, 60)
            if number % 5 == 1:
                proxy.cut()
            time.sleep(chance.uniform(0, 1.2))
            service.kill()
            TALLY["kills of the emitting service"] += 1
            if number % 5 == 3:
                proxy.mend()
            service.start()
        proxy.mend()
        people.stop()
        # Its last process delivers what all the others left; it needs no further request.
        sent = {event for events in people.accepted.values() for event in events}
        eventually(lambda: sent <= {event for _org, event in topic(arena)}, 120)
    finally:
        people.stop()
        service.kill()
    first: dict[str, list[str]] = {org: [] for org in ORGS}
    for org, event in dict.fromkeys(topic(arena)):
        first[org].append(event)
    for org, accepted in people.accepted.items():
        known = set(accepted)
        assert [event for event in first[org] if event in known] == accepted
    TALLY["events that the service accepted"] += len(sent)
    # Its usual batches: those of the other tests are small, and take over a minute for 200 kills.
    arena.start_consumer(ORGTRAIL_BATCH_RECORDS="5000").wait_ready()
    ids = "SELECT event_id FROM audit.events_store FINAL"
    eventually(lambda: sent <= {str(row[0]) for row in arena.query(ids)}, 60)
    stored = [str(row[0]) for row in arena.query(ids)]
    assert len(stored) == len(set(stored))


def topic(arena: Arena) -> list[tuple[str, str]]:
    """Organization and event id of what is in the topic for these tests, by partition in order."""
    consumer = Consumer({"bootstrap.servers": arena.brokers, "group.id": "look"})
    places = [TopicPartition(EVENTS_TOPIC, n) for n in range(PARTITIONS)]
    ends = {p.partition: consumer.get_watermark_offsets(p, timeout=20) for p in places}
    wanted = sum(end - begin for begin, end in ends.values())
    consumer.assign([TopicPartition(EVENTS_TOPIC, n, ends[n][0]) for n in ends])
    found = []
    while wanted > 0:
        message = consumer.poll(10)
        assert message is not None
        wanted -= 1
        if message.key().decode() in ORGS:
            found.append((message.key().decode(), dict(message.headers())["ce_id"].decode()))
    consumer.close()
    return found
