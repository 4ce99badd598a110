"""Exports that take a while: who is slow, what breaks off, what is stopped."""

import csv
import io
import signal
import socket
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


def test_a_client_that_takes_nothing_loses_its_place(running, many, tmp_path):
    """Two exports at once are all: who begins them and reads nothing does not keep the others out."""
    bounds = {"exports_at_once": "2", "stalled_seconds": "10"}
    with own_service(running, tmp_path, **bounds) as service:
        token, other = running.token(LARGEST), running.token("org-1", subject="bob")
        lines = [begin(service.port, token) for _ in range(2)]
        refused = service.get(EXPORT, token)
        assert (refused.status_code, refused.json()["type"]) == (
            429,
            "urn:orgtrail:problem:too-many-exports",
        )
        assert refused.headers["retry-after"] == "30"
        # Another person of another organization does not wait for them.
        assert service.get("/v1/orgs/org-1/events/export.csv", other).is_success
        eventually(lambda: service.get(EXPORT, token).status_code == 200, 30)
        for line in lines:
            line.close()
        assert "answer_broken_off" in service.log


def test_the_head_of_an_export_costs_and_records_nothing(running, many, tmp_path):
    headers = {"Authorization": f"Bearer {running.token(LARGEST)}"}
    address = f"{running.stack.page}{EXPORT}?q=only-the-head"
    answer = httpx.head(address, headers=headers, timeout=30)
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-disposition"].startswith("attachment")
    running.get(EXPORT.replace("csv", "jsonl"), org=LARGEST, q="nobody")
    # Kafka keeps the order of one organization's records.
    found = eventually(lambda: "q=nobody" in (f := recorded(running)) and f)
    assert "q=only-the-head" not in found


def recorded(running):
    asked = {"event": "org.audit-log.exported", "limit": 1000}
    answer = running.get(f"/v1/orgs/{LARGEST}/events", org=LARGEST, **asked)
    return " ".join(event["metadata"]["filters"] for event in answer.json()["events"])


def begin(port, token):
    """A connection that asks for an export and never reads."""
    line = socket.create_connection(("127.0.0.1", port))
    line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    line.sendall(
        f"GET {EXPORT} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\r\n".encode()
    )
    assert line.recv(20).startswith(b"HTTP/1.1 200")
    return line


def test_downloads_that_are_given_up_leave_their_places(running, many, tmp_path):
    """In the middle of a piece, where Litestar leaves the iterator to the garbage collector."""
    with own_service(running, tmp_path, exports_at_once="2", stalled_seconds="2") as service:
        token = running.token(LARGEST)
        for _ in range(3):
            lines = [begin(service.port, token) for _ in range(2)]
            time.sleep(0.3)
            for line in lines:
                line.close()
            eventually(lambda: service.get(EXPORT, token).status_code == 200, 10)
