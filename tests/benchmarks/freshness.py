"""Freshness: from a record's acknowledgement by Kafka to its event being readable through the API."""

from __future__ import annotations

import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from statistics import quantiles
from typing import Any, NamedTuple

import httpx
from confluent_kafka import Producer
from tests.benchmarks.lab import Lab
from tests.support.events import datum

from orgtrail.event_id import new_event_id
from orgtrail_deploy.local.issuer import make_token
from orgtrail_deploy.local.ports import LOOPBACK
from orgtrail_schemas.topics import EVENTS_TOPIC

ORG = "probe"
_GIVE_UP_S = 30


class Freshness(NamedTuple):
    """In milliseconds, of so many probes at so many events/s."""

    rate: int
    probes: int
    p50: int
    p99: int


def measure(on: Lab, port: int, rate: int, seconds: int) -> Freshness:
    """Probe every quarter of a second while events arrive at ``rate``; consumer and API run."""
    command = [sys.executable, "-m", "tests.benchmarks.sender"]
    load = subprocess.Popen(
        [*command, on.brokers, EVENTS_TOPIC, str(rate), str(seconds + 5)],
        stdout=subprocess.DEVNULL,
    )
    token = make_token(on.root, [ORG], datetime.now(UTC), lasts=timedelta(hours=1))
    producer = Producer({"bootstrap.servers": on.brokers, "linger.ms": 0})
    took: list[float] = []
    try:
        with httpx.Client(headers={"Authorization": f"Bearer {token}"}) as api:
            time.sleep(4)
            until = time.monotonic() + seconds
            while time.monotonic() < until:
                took.append(_probe(producer, api, port))
                time.sleep(0.25)
    finally:
        load.terminate()
        load.wait()
    cuts = quantiles(took, n=100)
    return Freshness(rate, len(took), round(cuts[49] * 1000), round(cuts[98] * 1000))


def _probe(producer: Producer, api: httpx.Client, port: int) -> float:
    acknowledged: list[float] = []

    def delivered(error: Any, _message: Any) -> None:
        if error is not None:
            raise RuntimeError(error.str())
        acknowledged.append(time.monotonic())

    event_id = str(new_event_id())
    value = datum(org_id=ORG, event_id=event_id)
    producer.produce(EVENTS_TOPIC, value, ORG.encode(), on_delivery=delivered)
    while not acknowledged:
        producer.poll(0.005)
    url = f"http://{LOOPBACK}:{port}/v1/orgs/{ORG}/events?limit=3"
    while event_id not in api.get(url).text:
        if time.monotonic() - acknowledged[0] > _GIVE_UP_S:
            break
        time.sleep(0.01)
    return time.monotonic() - acknowledged[0]
