"""Schemathesis: the API keeps what its own description promises, whatever it is sent."""

import json
import subprocess
import sys
from pathlib import Path

from tests.attack.conftest import ATTACKER, TALLY

CONFIG = """
[parameters]
org = "{org}"
"""


def test_it_is_what_it_says_it_is(attacker, whole, tmp_path):
    config = tmp_path / "schemathesis.toml"
    config.write_text(CONFIG.format(org=ATTACKER))
    report = tmp_path / "report.ndjson"
    done = subprocess.run(
        [
            Path(sys.executable).with_name("schemathesis"),
            "--config-file",
            config,
            "run",
            f"{attacker.url}/schema/openapi.json",
            "--header",
            f"Authorization: Bearer {attacker.token}",
            "--max-examples",
            "100" if whole else "8",
            "--phases",
            "examples,coverage,fuzzing" if whole else "examples,fuzzing",
            "--continue-on-failure",
            # The short form is the same each time; the long form finds what nobody thought of.
            *([] if whole else ["--seed", "1"]),
            # A schema cannot say that until is later than since, or that a cursor is ours.
            "--exclude-checks",
            "positive_data_acceptance",
            "--report",
            "ndjson",
            "--report-ndjson-path",
            report,
        ],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
    )
    lines = [json.loads(line) for line in report.read_text().splitlines()]
    TALLY["operations"] += len(operations(attacker))
    TALLY["cases"] += sum(line_cases(line) for line in lines)
    assert done.returncode == 0, done.stdout[-8000:]


def operations(attacker):
    described = attacker.ask("/schema/openapi.json").json()
    return [(path, method) for path, item in described["paths"].items() for method in item]


def line_cases(line):
    """How many cases an event of the report holds."""
    scenario = line.get("ScenarioFinished")
    return len((scenario or {}).get("recorder", {}).get("cases", ()))
