"""access.sql: each statement is one that ClickHouse's own parser takes."""

import subprocess
import sys

import pytest

from orgtrail_schemas.access import Analyst, access_sql, analysts_sql, passwords_wanted

ANALYSTS = [Analyst("ann", ("acme", "o'neill")), Analyst("all-of-them", ("*",)), Analyst("none")]
PASSWORDS = dict.fromkeys([*passwords_wanted(), *(analyst.name for analyst in ANALYSTS)], "x")
STATEMENTS = access_sql(PASSWORDS) + analysts_sql(ANALYSTS, PASSWORDS, ["gone"])


@pytest.mark.parametrize("statement", STATEMENTS)
def test_clickhouse_parses_it(running, statement):
    formatted = running.sql("SELECT formatQuerySingleLine({q:String})", q=statement)[0][0]
    assert formatted.split()[:1] == statement.split()[:1]


def test_a_missing_password_is_named_in_one_line():
    done = subprocess.run(
        [sys.executable, "-m", "orgtrail_deploy.cli", "access"],
        capture_output=True,
        text=True,
        check=False,
        env={},
    )
    assert done.returncode == 1
    assert done.stderr.startswith("orgtrail: set ORGTRAIL_CLICKHOUSE_WRITER_PASSWORD")
    assert done.stderr.count("\n") == 1
