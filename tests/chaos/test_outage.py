"""Outages that last: of ClickHouse, of Kafka, of the schema registry."""

import signal
import time

import psutil
import pytest
from tests.chaos.conftest import TALLY
from tests.chaos.load import Load
from tests.support.confluent import encode_confluent
from tests.support.events import RawProducer, datum, record
from tests.support.proxy import Proxy
from tests.support.registry import REGISTRY_ID, registry
from tests.support.running import eventually

from orgtrail_consumers.process import STOP_WITHIN_S
from orgtrail_deploy.local.ports import free_ports
from orgtrail_schemas.event_schema import current_schema

MB = 1_000_000
EVENTS = "orgtrail_consumer_events_total"
CATCHING_UP = "events/s at most when catching up"


@pytest.fixture
def minutes(rounds):
    """How long outages last: seconds in the default tests, ten minutes in ``make chaos``."""
    return 10 if rounds > 1 else 0.25


def outage(arena, prove, proxy, minutes, rate, reason):
    """Cut a line for so long; afterwards everything is stored, and the memory was bounded."""
    with Load(arena.brokers, rate=rate) as load:
        worker = arena.start_consumer(ORGTRAIL_BATCH_RECORDS="20000").wait_ready()
        eventually(lambda: worker.metric(EVENTS) > 1_000, 60)
        rebalances = worker.metric("orgtrail_total_rebalances")
        process = psutil.Process(worker.child.pid)
        peak = 0
        proxy.cut()
        until = time.monotonic() + minutes * 60
        while time.monotonic() < until:
            time.sleep(1)
            peak = max(peak, process.memory_info().rss)
        code, said = worker.readiness()
        moved = worker.metric("orgtrail_total_rebalances") - rebalances
        proxy.mend()
        began, before = time.monotonic(), worker.metric(EVENTS)
        assert code == 503
        assert reason in said
        load.stop()
        eventually(lambda: worker.metric(EVENTS) >= len(load.values), 120 + minutes * 60)
        speed = round((worker.metric(EVENTS) - before) / (time.monotonic() - began))
        TALLY[CATCHING_UP] = max(TALLY[CATCHING_UP], speed)
        prove(load)
        eventually(lambda: worker.readiness()[0] == 200)
    TALLY["MB at most in an outage"] = max(TALLY["MB at most in an outage"], peak // MB)
    assert peak < 500 * MB
    return moved


def test_clickhouse_is_away(arena, prove, minutes):
    """No rebalance, bounded memory, not ready with the reason, everything stored afterwards."""
    assert outage(arena, prove, arena.clickhouse_proxy, minutes, 5_000, "OperationalError") == 0


@pytest.mark.long
def test_kafka_is_away(arena, prove, minutes):
    """The producers wait as well: what they buffer is what comes afterwards."""
    outage(arena, prove, arena.kafka_proxies[0], minutes, 500, "Kafka")


@pytest.mark.long
def test_told_to_stop_while_everything_is_away(arena, prove):
    """It ends all the same, and its successor stores what it had fetched."""
    with Load(arena.brokers, rate=1_000) as load:
        worker = arena.start_consumer().wait_ready()
        eventually(lambda: worker.metric(EVENTS) > 1_000, 60)
        load.stop()
        proxies = [arena.clickhouse_proxy, *arena.kafka_proxies]
        for proxy in proxies:
            proxy.cut()
        eventually(lambda: worker.readiness()[0] == 503)
        worker.child.signal(signal.SIGTERM)
        worker.wait_dead(STOP_WITHIN_S + 5)
        for proxy in proxies:
            proxy.mend()
        arena.start_consumer().wait_ready()
        prove(load)


def test_the_schema_registry_is_away(arena, minutes, rounds):
    """Confluent-framed records wait for it; nothing of them is set aside."""
    with registry() as address:
        port = int(address.rsplit(":", 1)[1])
        proxy = Proxy(free_ports(1)[0], port)
        proxy.cut()
        url = f"http://127.0.0.1:{proxy.port}"
        producer = RawProducer(arena.brokers)
        for _ in range(20):
            waiting = encode_confluent(current_schema(), REGISTRY_ID, record(org_id="waiting"))
            producer.send(waiting, b"waiting", partition=1)
        producer.send(datum(org_id="unaffected"), partition=2)
        # They are one batch of their partition. Two batches that wait would hold up the others.
        worker = arena.start_consumer(ORGTRAIL_SCHEMA_REGISTRY_URL=url)
        count = "SELECT count() FROM audit.events WHERE org_id "
        eventually(lambda: arena.query(count + "= 'unaffected'")[0][0] == 1)
        eventually(lambda: worker.readiness()[0] == 503)
        rebalances = worker.metric("orgtrail_total_rebalances")
        time.sleep(minutes * 60 if rounds > 1 else 1)
        assert "decode: RegistryUnavailableError" in worker.readiness()[1]
        assert worker.metric("orgtrail_total_rebalances") == rebalances
        assert psutil.Process(worker.child.pid).memory_info().rss < 500 * MB
        proxy.mend()
        eventually(lambda: arena.query(count + "= 'waiting'")[0][0] == 20, 60)
        assert arena.query("SELECT count() FROM audit.dead_letters")[0][0] == 0
        proxy.close()
