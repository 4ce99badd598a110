"""What other people's linters say of the Dockerfile and of compose.yaml."""

import json
import subprocess
from pathlib import Path

from tests.support.tools import linter

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"


def run(*command):
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_dockerfile():
    done = run(linter("hadolint"), "--no-color", DEPLOY / "Dockerfile")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_compose():
    command = linter("python"), "-m", "compose_lint", "check", "--format=json"
    report = json.loads(run(*command, DEPLOY / "compose.yaml").stdout)
    found = {(f["rule_id"], f["service"]) for f in report["findings"]}
    # Digests are of the registry that an operator pulls from.
    found = {(rule, service) for rule, service in found if rule != "CL-0019"}
    # Images of others that write outside their volumes.
    assert found == {("CL-0007", name) for name in ("kafka", "clickhouse", "keycloak")}
