"""``orgtrail sql``, ``token`` and ``sign-in`` against the folder of a stack."""

import json
import signal
import subprocess
import sys
from datetime import UTC, datetime

import pytest
from joserfc import jwt
from joserfc.jwk import KeySet

from orgtrail_deploy.errors import StackError
from orgtrail_deploy.local import commands
from orgtrail_deploy.local.issuer import ensure_issuer, jwks_file, sign_in_folder
from orgtrail_deploy.local.secrets import load_secrets
from orgtrail_deploy.local.settings import LocalSettings, record
from orgtrail_query_service.auth.tickets import consume


@pytest.fixture
def root(tmp_path, monkeypatch):
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("ORGTRAIL_HOME", str(home))
    load_secrets(home)
    ensure_issuer(home)
    return home


def test_sql_prints_the_answer_as_it_is(root, monkeypatch, capsys):
    asked = []
    monkeypatch.setattr(commands, "ask", lambda *given: asked.append(given) or "a\tb\n")
    monkeypatch.setenv("ORGTRAIL_UP_CLICKHOUSE_HTTP_PORT", "8124")
    assert commands.sql("SELECT 1", format="TSV") == 0
    assert asked == [(root, 8124, "SELECT 1", "TSV")]
    assert capsys.readouterr().out == "a\tb\n"


@pytest.mark.parametrize(
    ("organizations", "granted"), [([], ["acme", "globex"]), (["initech"], ["initech"])]
)
def test_a_token_grants_the_role_in_the_organizations(root, capsys, organizations, granted):
    assert commands.token(*organizations, role="member") == 0
    keys = KeySet.import_key_set(json.loads(jwks_file(root).read_text()))
    claims = jwt.decode(capsys.readouterr().out.strip(), keys, algorithms=["ES256"]).claims
    assert claims["org_roles"] == {org: ["member"] for org in granted}


@pytest.mark.parametrize(
    ("organizations", "granted"), [([], ("acme", "globex")), (["initech"], ("initech",))]
)
def test_a_link_signs_in_once(root, monkeypatch, capsys, organizations, granted):
    monkeypatch.setenv("ORGTRAIL_UP_PAGE_PORT", "8081")
    assert commands.sign_in(*organizations) == 0
    address, _, code = capsys.readouterr().out.strip().rpartition("/")
    assert address == "http://127.0.0.1:8081/sign-in"
    now = datetime.now(UTC)
    assert consume(sign_in_folder(root), code, now).organizations == granted
    assert consume(sign_in_folder(root), code, now) is None


def test_the_ports_are_those_of_the_stack_in_the_folder(root, monkeypatch, capsys):
    asked = []
    monkeypatch.setattr(commands, "ask", lambda *given: asked.append(given) or "")
    record(root, LocalSettings(clickhouse_http_port=8125, page_port=8082))
    monkeypatch.setenv("ORGTRAIL_UP_CLICKHOUSE_HTTP_PORT", "8124")
    commands.sql("SELECT 1")
    assert asked[0][1] == 8125
    commands.sign_in()
    assert ":8082/" in capsys.readouterr().out


def test_down_stops_the_process_that_holds_the_folder(root, capsys):
    assert commands.down() == 0
    assert capsys.readouterr().out == f"No stack is running in {root}.\n"
    code = (
        "import sys, time; from pathlib import Path; from orgtrail_deploy.local.folders import lock;"
        "held = lock(Path(sys.argv[1])); print('held', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code, root], stdout=subprocess.PIPE) as holder:
        assert holder.stdout.readline() == b"held\n"
        assert commands.down() == 0
    assert capsys.readouterr().out == "Stopped.\n"
    assert holder.returncode == -signal.SIGTERM


@pytest.mark.parametrize(
    "command", [lambda: commands.sql("SELECT 1"), commands.token, commands.sign_in]
)
def test_without_a_stack_the_folder_is_named_and_not_created(tmp_path, monkeypatch, command):
    home = tmp_path / "nothing"
    monkeypatch.setenv("ORGTRAIL_HOME", str(home))
    with pytest.raises(StackError, match=rf"^[^\n]*{home}[^\n]*$"):
        command()
    assert not home.exists()
