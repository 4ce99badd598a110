"""Alerts and dashboard name metrics that there are, and each alert has its entry in the runbook."""

import importlib.util
import re
from pathlib import Path

import promql_parser
import pytest
import yaml

from orgtrail import metrics as sdk_metrics
from orgtrail_consumers import metrics as consumer_metrics
from orgtrail_query_service import telemetry as query_metrics

ROOT = Path(__file__).resolve().parents[2]
MONITORING = ROOT / "deploy" / "monitoring"
ALERTS = {
    rule["alert"]: rule
    for group in yaml.safe_load((MONITORING / "alerts.yaml").read_text())["groups"]
    for rule in group["rules"]
}
RUNBOOK = (ROOT / "docs" / "runbook.md").read_text("utf-8")
TESTED = yaml.safe_load((ROOT / "tests" / "deploy" / "alerts.test.yaml").read_text())["tests"]


def dashboard():
    spec = importlib.util.spec_from_file_location("dashboard", MONITORING / "dashboard.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


QUERIES = {name: rule["expr"] for name, rule in ALERTS.items()} | {
    f"{panel.title}: {legend}": query
    for panels in dashboard().ROWS.values()
    for panel in panels
    for legend, query in panel.queries.items()
}


def known():
    for family in consumer_metrics.families():
        suffixes = {"counter": ["_total"], "histogram": ["_bucket", "_sum", "_count"]}
        yield from (family.name + suffix for suffix in suffixes.get(family.type, [""]))
    for name in query_metrics.METRICS:
        yield from (name, f"{name}_bucket", f"{name}_sum", f"{name}_count")
    for metric in sdk_metrics.METRICS:
        yield sdk_metrics.PREFIX + metric.name + ("_total" if metric.is_total else "")
    yield "process_start_time_seconds"


def selectors(query):
    found = []

    def visit(node):
        if isinstance(node, promql_parser.VectorSelector):
            found.append(node)
        elif isinstance(node, promql_parser.MatrixSelector):
            found.append(node.vector_selector)

    promql_parser.walk(promql_parser.parse(query), pre_visit=visit)
    return found


@pytest.mark.parametrize("name", QUERIES)
def test_a_query_names_metrics_that_there_are(name):
    names = {selector.name for selector in selectors(QUERIES[name])}
    # Of ClickHouse's own, make deploy-test asks a real server.
    ours = {name for name in names if not name.startswith("ClickHouse")}
    assert names
    assert ours <= set(known())


@pytest.mark.parametrize("name", ALERTS)
def test_an_alert_says_what_to_do(name):
    rule = ALERTS[name]
    assert rule["labels"]["severity"] in ("warning", "critical")
    assert rule["annotations"]["summary"].endswith(".")
    assert rule["annotations"]["runbook"] == f"docs/runbook.md#{name.lower()}"


def test_the_runbook_has_the_alerts_in_their_order():
    assert re.findall(r"^## (.+)$", RUNBOOK, re.MULTILINE) == list(ALERTS)


@pytest.mark.parametrize("name", ALERTS)
def test_an_alert_is_shown_to_fire_and_not_to(name):
    cases = [
        c["exp_alerts"] for t in TESTED for c in t["alert_rule_test"] if c["alertname"] == name
    ]
    assert any(cases)
    assert not all(cases)


def test_the_dashboard_is_the_one_of_the_panels():
    assert (MONITORING / "dashboard.json").read_text() == dashboard().dashboard_json(), (
        "run make docs"
    )
