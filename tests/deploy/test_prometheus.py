"""A real Prometheus scrapes the running stack: each alert and panel asks for something it has."""

import subprocess
from xml.etree import ElementTree

import httpx
import prometheus_client
import pytest
import yaml
from tests.contract.test_monitoring import ALERTS, QUERIES, selectors
from tests.support.admin import with_admin
from tests.support.running import eventually
from tests.support.tools import prometheus

from orgtrail import Actor
from orgtrail.metrics import register_prometheus
from orgtrail_deploy.local.clickhouse import ClickHouse, ClickHouseNode
from orgtrail_deploy.local.ports import LOOPBACK, free_ports
from orgtrail_deploy.local.secrets import load_secrets
from orgtrail_schemas.access import users_xml

NOT_HERE = {
    # No series before the first fault.
    "orgtrail_consumer_failures_total",
    # The embedded server computes no asynchronous metrics. Names and label are those of ClickHouse's
    # documentation (asynchronous_metrics_key_values_mode, whose default is key_values since 26.8).
    "ClickHouseAsyncMetrics_DiskUnreserved",
    "ClickHouseAsyncMetrics_DiskUsed",
}


class MeasuredClickHouse(ClickHouse):
    """A server that answers /metrics, as deploy/monitoring/clickhouse.xml lets a production server."""

    def _config(self):
        root = ElementTree.fromstring(super()._config())
        rule = ElementTree.Element("rule")
        ElementTree.SubElement(rule, "url").text = "/metrics"
        handler = ElementTree.SubElement(rule, "handler")
        for key, value in {
            "type": "prometheus", "metrics": "true", "events": "true",
            "asynchronous_metrics": "true",
        }.items():  # fmt: skip
            ElementTree.SubElement(handler, key).text = value
        root.find("http_handlers").insert(0, rule)
        return ElementTree.tostring(root, encoding="unicode")


@pytest.fixture(scope="module")
def clickhouse(tmp_path_factory):
    http, tcp = free_ports(2)
    folder = tmp_path_factory.mktemp("clickhouse")
    passwords = load_secrets(folder).passwords
    node = ClickHouseNode(folder=folder / "server", http_port=http, tcp_port=tcp)
    server = MeasuredClickHouse(node, with_admin(users_xml(passwords, [])))
    server.wait_ready()
    yield http
    server.stop()


@pytest.fixture(scope="module")
def service(running):
    """A service that emits, and serves its metrics."""
    registry = prometheus_client.CollectorRegistry()
    (port,) = free_ports(1)
    with running.producer() as audit:
        register_prometheus(registry, audit)
        server, thread = prometheus_client.start_http_server(port, LOOPBACK, registry)
        audit.emit("user.login", org_id="acme", actor=Actor(id="u-1"))
        yield port
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def ask(tmp_path_factory, running, clickhouse, service):
    for path in ("events", "events/export.csv"):
        assert running.get(f"/v1/orgs/acme/{path}").status_code == 200
    folder = tmp_path_factory.mktemp("prometheus")
    settings = running.stack.settings
    targets = {
        "orgtrail-consumer": settings.consumer_web_port,
        "orgtrail-query": settings.page_port,
        "clickhouse": clickhouse,
        "a-service": service,
    }
    config = {
        "global": {"scrape_interval": "1s"},
        "scrape_configs": [
            {"job_name": job, "static_configs": [{"targets": [f"{LOOPBACK}:{port}"]}]}
            for job, port in targets.items()
        ],
    }
    (folder / "prometheus.yaml").write_text(yaml.safe_dump(config))
    (port,) = free_ports(1)
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [
                prometheus(), f"--config.file={folder / 'prometheus.yaml'}",
                f"--storage.tsdb.path={folder / 'data'}", f"--web.listen-address={LOOPBACK}:{port}",
            ],
            stdout=log, stderr=log,
        )  # fmt: skip

    def answer(query):
        try:
            found = httpx.get(f"http://{LOOPBACK}:{port}/api/v1/query", params={"query": query})
        except httpx.TransportError:
            return None
        assert found.status_code == 200, found.text
        return found.json()["data"]["result"]

    try:
        eventually(lambda: answer("count(up == 1)") == [] or answer("min(up)"), 60)
        # Rates need two samples.
        scraped = "min(count_over_time(up[5m])) >= 5 and min(up) == 1"
        eventually(lambda: answer(scraped), 60)
        yield answer
    finally:
        process.terminate()
        process.wait()


@pytest.mark.parametrize("name", QUERIES)
def test_what_a_query_asks_for_is_there(ask, name):
    for selector in selectors(QUERIES[name]):
        if selector.name not in NOT_HERE:
            assert ask(f"count({selector.name})"), selector.name


@pytest.mark.parametrize("name", [name for name in QUERIES if name not in ALERTS])
def test_a_panel_shows_something(ask, name):
    answer = ask(QUERIES[name])
    names = {selector.name for selector in selectors(QUERIES[name])}
    assert answer or names <= NOT_HERE


@pytest.mark.parametrize("name", ALERTS)
def test_no_alert_fires_on_a_good_stack(ask, name):
    assert ask(QUERIES[name]) == []


@pytest.mark.parametrize("name", QUERIES)
def test_a_label_that_a_query_names_is_one(ask, name):
    """A matcher or a grouping by a label that the metric lacks would match nothing, silently."""
    for selector in selectors(QUERIES[name]):
        wanted = {matcher.name for matcher in selector.matchers.matchers}
        if wanted and selector.name not in NOT_HERE:
            assert wanted <= ask(selector.name)[0]["metric"].keys()
            shape = {m.name: m.value for m in selector.matchers.matchers}
            for label, pattern in shape.items():
                if label == "path":
                    assert ask(f'{selector.name}{{path=~"{pattern}"}}'), pattern
