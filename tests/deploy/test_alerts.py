"""The alerts, as Prometheus itself reads and evaluates them."""

import subprocess
from pathlib import Path

from tests.support.tools import promtool

ROOT = Path(__file__).resolve().parents[2]


def run(*arguments):
    done = subprocess.run(
        [promtool(), *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_prometheus_takes_the_rules():
    assert "15 rules found" in run("check", "rules", "deploy/monitoring/alerts.yaml")


def test_each_fires_when_it_shall_and_not_when_it_shall_not():
    run("test", "rules", "tests/deploy/alerts.test.yaml")


def test_prometheus_takes_the_configuration():
    run("check", "config", "--syntax-only", "deploy/monitoring/prometheus.yaml")
