"""One organization cannot slow, blind or lock out another; a server that hangs blocks nobody."""

import concurrent.futures
import http.client
import time

import httpx
import psutil
import pytest
from tests.attack.conftest import ATTACKER, TALLY, VICTIM
from tests.support.proxy import Proxy
from tests.support.running import eventually
from tests.support.service import own_service

from orgtrail_deploy.local.ports import free_ports

EVENTS = f"/v1/orgs/{VICTIM}/events"


@pytest.fixture
def proxy(running):
    """ClickHouse behind a line that a test can hang."""
    made = Proxy(free_ports(1)[0], running.stack.servers.clickhouse_port)
    yield made
    made.close()


def timed(ask):
    began = time.monotonic()
    return ask(), time.monotonic() - began


@pytest.mark.parametrize("connected", [True, False])
def test_a_clickhouse_that_hangs_is_told_in_time(attacker, running, proxy, tmp_path, connected):
    settings = {"clickhouse_port": str(proxy.port), "export_silence_seconds": "3"}
    with own_service(running, tmp_path, **settings) as service:
        token = running.token(VICTIM)
        if connected:
            assert service.get(EVENTS, token).status_code == 200
        proxy.freeze()
        asked = {
            "/readyz": 5,
            f"/orgs/{VICTIM}/audit-logs": 20,
            EVENTS: 20,
            f"/v1/orgs/{VICTIM}/summary": 20,
            f"{EVENTS}/export.csv": 20,
        }
        TALLY["attacks"] += len(asked)
        with concurrent.futures.ThreadPoolExecutor(len(asked)) as threads:
            waiting = {
                path: threads.submit(timed, lambda path=path: service.get(path, token))
                for path in asked
            }
            for _ in range(5):
                assert httpx.get(f"{service.url}/livez", timeout=2).status_code == 200
            for path, within in asked.items():
                answer, took = waiting[path].result()
                assert answer.status_code == 503, path
                assert took < within, path
        proxy.thaw()
        eventually(lambda: service.get(EVENTS, token).status_code == 200, 30)


def test_each_organization_has_a_quota_of_its_own(attacker, running):
    client = running.client("audit_reader")

    def used(org):
        answer = client.query("SHOW CURRENT QUOTA", settings={"quota_key": org})
        (row,) = list(answer.named_results())
        return row["queries"]

    def counted_apart():
        for _ in range(5):
            attacker.ask(f"/v1/orgs/{ATTACKER}/events")
        # A quota begins anew each minute.
        return used(ATTACKER) >= 10 and used("nobody-reads-this") == 0

    eventually(counted_apart)


def test_a_neighbour_reads_while_another_asks_for_everything(attacker, running, tmp_path):
    with own_service(running, tmp_path, reads_at_once="2") as service:
        token, other = attacker.token, running.token(VICTIM, subject="bob")
        heavy = f"/v1/orgs/{ATTACKER}/summary"
        with concurrent.futures.ThreadPoolExecutor(40) as threads:
            asked = [threads.submit(service.get, heavy, token) for _ in range(200)]
            TALLY["attacks"] += len(asked)
            for _ in range(5):
                assert service.get(EVENTS, other).status_code == 200
            assert {one.result().status_code for one in asked} <= {200, 429}


def test_an_idle_connection_outlives_a_load_balancers(attacker, running):
    host, port = attacker.url.removeprefix("http://").split(":")
    line = http.client.HTTPConnection(host, int(port), timeout=20)
    line.connect()
    socket = line.sock
    for pause in (0, 7):
        time.sleep(pause)
        line.request("GET", "/livez")
        answer = line.getresponse()
        assert (answer.status, answer.read()) == (200, b"ok\n")
        assert line.sock is socket
    line.close()


def test_the_counts_of_several_workers_add_up(attacker, running, tmp_path):
    with own_service(running, tmp_path, workers="3") as service:
        token = running.token(VICTIM)
        asked = 30
        for _ in range(asked):
            assert service.get(EVENTS, token).status_code == 200

        def counted():
            text = httpx.get(f"{service.url}/metrics").text
            return sum(
                float(line.rpartition(" ")[2])
                for line in text.splitlines()
                if line.startswith("orgtrail_query_requests_total{") and "/events" in line
            )

        # A worker counts after its answer was sent.
        eventually(lambda: counted() == asked)
        assert {counted() for _ in range(10)} == {asked}
        # Also of a worker that was killed; another takes its place.
        workers = [
            child
            for child in psutil.Process(service.child.pid).children()
            if "spawn_main" in " ".join(child.cmdline())
        ]
        assert len(workers) == 3
        workers[0].kill()
        eventually(lambda: counted() == asked)


@pytest.mark.parametrize(
    "path", ["/livez", EVENTS, f"/orgs/{VICTIM}/audit-logs", "/v1/event-types"]
)
def test_head_is_answered_wherever_get_is(attacker, running, path):
    headers = {"Authorization": f"Bearer {running.token(VICTIM)}"}
    got = httpx.get(attacker.url + path, headers=headers)
    head = httpx.head(attacker.url + path, headers=headers)
    assert head.status_code == got.status_code == 200
    assert head.content == b""
    assert head.headers["content-type"] == got.headers["content-type"]


def test_pages_and_answers_are_compressed_for_who_takes_it(attacker, running):
    headers = {"Authorization": f"Bearer {running.token(VICTIM)}"}
    for path in (EVENTS, f"/orgs/{VICTIM}/audit-logs", "/v1/event-types"):
        for accepted, expected in {"gzip": "gzip", "gzip;q=0": None, "br;q=1, *;q=0": None}.items():
            answer = httpx.get(attacker.url + path, headers=headers | {"Accept-Encoding": accepted})
            assert answer.headers.get("content-encoding") == expected, path
            assert "accept-encoding" in answer.headers.get("vary", "").lower() or not expected


def test_a_compressed_page_does_not_tell_what_is_in_it_by_its_size(attacker, running):
    headers = {"Authorization": f"Bearer {running.token(VICTIM)}", "Accept-Encoding": "gzip"}
    with httpx.Client(base_url=attacker.url, headers=headers) as client:
        path = f"/orgs/{VICTIM}/audit-logs?q=x"
        sizes = {client.get(path).headers["content-length"] for _ in range(6)}
    assert len(sizes) > 1
