"""Exports that take a while: who is slow, what breaks off, what is stopped."""

import csv
import io
import signal
import time
from datetime import UTC, datetime

import httpx
import psutil
import pytest
from tests.support.proxy import Proxy
from tests.support.rows import LARGEST, fill
from tests.support.running import eventually
from tests.support.service import own_service

from orgtrail_deploy.local.ports import free_ports

EXPORT = f"/v1/orgs/{LARGEST}/events/export.csv"
MB = 1_000_000


@pytest.fixture(scope="module")
def many(running):
    """Enough for twenty megabytes: more than what lies in buffers on the way."""
    fill(running.client("audit_migrator"), 600_000, datetime.now(UTC))
    sql = "SELECT count() FROM audit.events WHERE org_id = {org:String}"
    return running.sql(sql, org=LARGEST)[0][0]


def stream(url, token):
    headers = {"Authorization": f"Bearer {token}", "Accept-Encoding": "identity"}
    return httpx.stream("GET", url, headers=headers, timeout=60)


def test_a_slow_client_holds_no_memory(running, many):
    service = psutil.Process(running.stack.query.pid)
    before, peak, size = service.memory_info().rss, 0, 0
    with stream(running.stack.page + EXPORT, running.token(LARGEST)) as answer:
        chunks = answer.iter_raw(65_536)
        for _ in range(20):
            size += len(next(chunks))
            time.sleep(0.1)
            peak = max(peak, service.memory_info().rss)
        size += sum(len(chunk) for chunk in chunks)
    assert size > 10 * MB
    assert peak - before < 50 * MB


def test_a_transfer_that_clickhouse_breaks_off_never_looks_whole(running, many, tmp_path):
    proxy = Proxy(free_ports(1)[0], running.stack.servers.clickhouse_port)
    try:
        with own_service(running, tmp_path, clickhouse_port=str(proxy.port)) as service:
            received = bytearray()
            with (
                stream(service.url + EXPORT, running.token(LARGEST)) as answer,
                pytest.raises(httpx.TransportError),
            ):
                assert answer.status_code == 200
                for chunk in answer.iter_raw(65_536):
                    received += chunk
                    proxy.cut()
            assert received
            assert b"DB::" not in received
            assert b"Exception" not in received
    finally:
        proxy.close()


def test_a_stop_lets_a_running_export_end(running, many, tmp_path):
    with own_service(running, tmp_path) as service:
        token = running.token(LARGEST)
        with stream(service.url + EXPORT, token) as answer:
            chunks = answer.iter_raw(65_536)
            received = bytearray(next(chunks))
            service.child.signal(signal.SIGTERM)
            eventually(lambda: refused(service.url))
            for chunk in chunks:
                received += chunk
        rows = csv.reader(io.StringIO(received.decode(), newline=""))
        assert sum(1 for _ in rows) >= many + 1
        eventually(lambda: not service.child.running)


def test_a_stop_waits_for_no_client_for_ever(running, many, tmp_path):
    with (
        own_service(running, tmp_path, shutdown_seconds="1") as service,
        stream(service.url + EXPORT, running.token(LARGEST)) as answer,
    ):
        next(answer.iter_raw(65_536))
        service.child.signal(signal.SIGTERM)
        eventually(lambda: not service.child.running, 15)


def refused(url):
    try:
        httpx.get(f"{url}/livez", timeout=2)
    except httpx.TransportError:
        return True
    return False
