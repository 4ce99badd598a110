"""What the query service does when what it needs is away, and when there are several of it."""

import json
import signal
import time

import httpx
import pytest
from tests.support.keys import key_server, sign
from tests.support.proxy import Proxy
from tests.support.running import eventually
from tests.support.service import own_service
from tests.support.up import orgtrail

from orgtrail_deploy.local.ports import free_ports

LIST = "/v1/orgs/operations/events"


@pytest.fixture
def token(running):
    return running.token("operations")


def test_clickhouse_goes_away_and_comes_back(running, token, tmp_path):
    servers = running.stack.servers
    proxy = Proxy(free_ports(1)[0], servers.clickhouse_port)
    try:
        with own_service(running, tmp_path, clickhouse_port=str(proxy.port)) as service:
            assert service.get(LIST, token).status_code == 200
            proxy.cut()
            for path in (LIST, f"{LIST}/export.csv", "/v1/orgs/operations/summary"):
                away = service.get(path, token)
                assert away.status_code == 503
                assert away.json()["type"] == "urn:orgtrail:problem:unavailable"
                assert int(away.headers["retry-after"]) > 0
            assert httpx.get(f"{service.url}/livez").status_code == 200
            assert httpx.get(f"{service.url}/readyz").status_code == 503
            proxy.mend()
            eventually(lambda: service.get(LIST, token).status_code == 200)
            assert httpx.get(f"{service.url}/readyz").status_code == 200
    finally:
        proxy.close()


@pytest.mark.long
def test_an_export_that_leaves_no_trace_is_refused(running, token, tmp_path):
    """Without Kafka and without a spool; an operator may choose otherwise."""
    away = {"kafka_brokers": "127.0.0.1:1", "spool": "memory"}
    with own_service(running, tmp_path, **away) as service:
        refused = service.get(f"{LIST}/export.csv", token)
        assert refused.status_code == 503
        assert refused.json()["type"] == "urn:orgtrail:problem:not-recorded"
        # A page is shown: nobody waits for the record of a view.
        assert service.get(LIST, token).status_code == 200
    with own_service(running, tmp_path, **away, record_exports="attempted") as service:
        assert service.get(f"{LIST}/export.csv", token).status_code == 200


def test_an_export_is_recorded_on_disk_while_kafka_is_away(running, token, tmp_path):
    spool = tmp_path / "spool"
    more = {"kafka_brokers": "127.0.0.1:1", "spool_dir": str(spool)}
    with own_service(running, tmp_path, **more) as service:
        assert service.get(f"{LIST}/export.csv", token).status_code == 200
        kept = b"".join(file.read_bytes() for file in spool.rglob("*") if file.is_file())
        assert b"org.audit-log.exported" in kept


def test_several_workers_record_one_view(running, tmp_path):
    token = running.token("workers")
    with own_service(running, tmp_path, workers="3") as service:
        eventually(lambda: service.get("/v1/orgs/workers/events", token).status_code == 200)
        # Each request on a line of its own, so that every worker gets some.
        for _ in range(30):
            assert service.get("/v1/orgs/workers/events", token).status_code == 200

        def viewed():
            rows = running.sql(
                "SELECT count() FROM audit.events WHERE org_id = 'workers'"
                " AND event = 'org.audit-log.viewed'"
            )
            return rows[0][0]

        eventually(lambda: viewed() >= 1)
        time.sleep(1)
        assert viewed() in (1, 2)  # two when the hour turned meanwhile


def test_a_stop_ends_the_service(running, tmp_path):
    with own_service(running, tmp_path) as service:
        service.child.signal(signal.SIGTERM)
        eventually(lambda: not service.child.running, 20)


def test_keys_rotate_and_outlive_an_outage(running, tmp_path):
    with key_server() as server:
        first = server.add_key("k1")
        more = {"jwks_file": "", "jwks_url": server.url}
        with own_service(running, tmp_path, **more) as service:
            assert service.get(LIST, sign(first, "operations")).status_code == 200
            asked = server.asked
            for _ in range(5):
                assert service.get(LIST, sign(first, "operations")).status_code == 200
            assert server.asked == asked
            # A key that the set does not hold yet: asked for, but not for each stranger's token.
            second = server.add_key("k2")
            eventually(lambda: service.get(LIST, sign(second, "operations")).status_code == 200, 30)
            server.status = 500
            assert service.get(LIST, sign(first, "operations")).status_code == 200
            asked = server.asked
            stranger = sign(server.add_key("k3"), "operations")
            for _ in range(5):
                assert service.get(LIST, stranger).status_code == 401
            assert server.asked <= asked + 1


def test_before_the_first_keys_nobody_is_let_in(running, tmp_path):
    with key_server() as server:
        server.status = 500
        key = server.add_key("k1")
        more = {"jwks_file": "", "jwks_url": server.url}
        with own_service(running, tmp_path, **more) as service:
            answer = service.get(LIST, sign(key, "operations"))
            assert answer.status_code == 503
            assert answer.json()["type"] == "urn:orgtrail:problem:issuer-unavailable"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ORGTRAIL_SECRET", "short"),
        ("ORGTRAIL_JWKS_FILE", "/nowhere"),
        ("ORGTRAIL_JWT_ALGORITHMS", '["none"]'),
        ("ORGTRAIL_WORKERS", "many"),
        ("ORGTRAIL_RECORD_EXPORTS", "never"),
        ("ORGTRAIL_JWKS_URL", "http://keys.example/"),
    ],
)
def test_a_wrong_setting_is_one_line(running, name, value):
    env = running.stack.environment() | {name: value}
    done = orgtrail("serve", env=env, seconds=30)
    assert done.returncode == 1
    lines = [line for line in done.stderr.splitlines() if line]
    assert len(lines) == 1, done.stderr
    assert "Traceback" not in done.stderr


def test_metrics_name_routes_and_nobody(running):
    running.get(LIST, org="operations", user="secret@person.example")
    text = running.get("/metrics", token="").text
    assert "orgtrail_query_requests_total" in text
    assert "secret@person" not in text


def test_summary_and_people(running):
    running.get(LIST, org="operations")
    eventually(lambda: running.get(LIST, org="operations").json()["events"])
    summary = running.get("/v1/orgs/operations/summary", org="operations").json()
    assert summary["total"] == sum(e["events"] for e in summary["events"])
    assert summary["total"] == sum(
        b["user"] + b["organization"] + b["other"] for b in summary["buckets"]
    )
    address = "/v1/orgs/operations/people"
    # They are stored after the events.
    people = eventually(lambda: running.get(address, org="operations", prefix="ADMIN@").json())
    assert "admin@acme.example" in json.dumps(people)
    nobody = running.get("/v1/orgs/operations/people", org="operations", prefix="nobody").json()
    assert nobody == []
    assert running.get("/v1/orgs/operations/people", org="operations", x="1").status_code == 400
