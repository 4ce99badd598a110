"""``orgtrail access``: statements to read or to apply, with passwords from the environment alone."""

import hashlib

import clickhouse_connect
import pytest
from clickhouse_connect.driver.exceptions import DatabaseError

from orgtrail_deploy.access import access
from orgtrail_deploy.errors import StackError

SERVICES = ["WRITER", "READER", "EXPORT", "MIGRATOR", "RECORDER", "CHECKER"]
PASSWORDS = {f"ORGTRAIL_CLICKHOUSE_{name}_PASSWORD": f"pw-{name}" for name in SERVICES}


def digest(password):
    return hashlib.sha256(password.encode()).hexdigest()


@pytest.fixture
def passwords(monkeypatch):
    for name, password in PASSWORDS.items():
        monkeypatch.setenv(name, password)


@pytest.fixture
def server(monkeypatch):
    """A ClickHouse that records its connections and statements; ``refuses`` is raised instead."""

    class Server:
        refuses = None

        def __init__(self):
            self.connections, self.statements = [], []

        def get_client(self, **connection):
            self.connections.append(connection)
            return self

        def __enter__(self):
            return self

        def __exit__(self, *_error):
            return None

        def command(self, statement):
            if self.refuses:
                raise self.refuses
            self.statements.append(statement)

    made = Server()
    monkeypatch.setattr(clickhouse_connect, "get_client", made.get_client)
    return made


def test_printed_statements_hold_digests_and_no_password(passwords, server, monkeypatch, capsys):
    assert access() == 0
    printed = capsys.readouterr().out
    for name in SERVICES:
        assert digest(f"pw-{name}") in printed
        assert f"pw-{name}" not in printed
    assert "CREATE ROW POLICY OR REPLACE nobody ON audit.events USING 0 TO ALL" in printed
    assert all(line.endswith(";") for line in printed.strip().splitlines())
    assert server.connections == []


@pytest.mark.parametrize("missing", PASSWORDS)
def test_a_missing_password_is_named_by_its_variable(passwords, monkeypatch, capsys, missing):
    monkeypatch.delenv(missing)
    with pytest.raises(StackError, match=rf"^[^\n]*{missing}[^\n]*$") as refused:
        access()
    assert str(refused.value).count("ORGTRAIL_CLICKHOUSE_") == 1
    assert "pw-" not in str(refused.value)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("old", "new"),
    [(f"AUDIT_{n}_PASSWORD", f"ORGTRAIL_CLICKHOUSE_{n}_PASSWORD") for n in SERVICES],
)
def test_an_old_variable_is_read_unless_the_new_one_is_set(
    passwords, monkeypatch, capsys, old, new
):
    monkeypatch.setenv(new, "new")
    monkeypatch.setenv(old, "old")
    access()
    assert digest("new") in capsys.readouterr().out
    monkeypatch.delenv(new)
    access()
    assert digest("old") in capsys.readouterr().out


def test_a_password_may_be_in_a_file(passwords, monkeypatch, tmp_path, capsys):
    (tmp_path / "writer").write_text("from-a-file\n")
    monkeypatch.delenv("ORGTRAIL_CLICKHOUSE_WRITER_PASSWORD")
    monkeypatch.setenv("ORGTRAIL_CLICKHOUSE_WRITER_PASSWORD_FILE", str(tmp_path / "writer"))
    access()
    assert digest("from-a-file") in capsys.readouterr().out
    (tmp_path / "writer").unlink()
    with pytest.raises(StackError, match="ORGTRAIL_CLICKHOUSE_WRITER_PASSWORD_FILE"):
        access()


def test_apply_runs_what_would_be_printed_as_the_admin_user(passwords, server, monkeypatch, capsys):
    access()
    printed = capsys.readouterr().out
    monkeypatch.setenv("ORGTRAIL_CLICKHOUSE_HOST", "clickhouse.example")
    monkeypatch.setenv("ORGTRAIL_CLICKHOUSE_PORT", "8124")
    monkeypatch.setenv("ORGTRAIL_CLICKHOUSE_ADMIN_PASSWORD", "pw-admin")
    assert access(apply=True) == 0
    assert [f"{statement};" for statement in server.statements] == printed.strip().splitlines()
    (connection,) = server.connections
    assert (connection["host"], connection["port"]) == ("clickhouse.example", 8124)
    assert (connection["username"], connection["password"]) == ("admin", "pw-admin")
    assert f" {len(server.statements)} " in capsys.readouterr().out


def test_options_override_settings(passwords, server, monkeypatch):
    monkeypatch.setenv("ORGTRAIL_CLICKHOUSE_HOST", "other.example")
    monkeypatch.setenv("ORGTRAIL_CLICKHOUSE_SECURE", "true")
    monkeypatch.setenv("ORGTRAIL_CLICKHOUSE_ADMIN_USER", "root")
    access(
        apply=True,
        clickhouse_host="ours.example",
        clickhouse_port=9999,
        clickhouse_secure=False,
        clickhouse_user="ada",
    )
    (connection,) = server.connections
    names = ("host", "port", "secure", "username")
    assert [connection[name] for name in names] == ["ours.example", 9999, False, "ada"]


def test_a_wrong_setting_is_named(passwords, monkeypatch):
    monkeypatch.setenv("ORGTRAIL_CLICKHOUSE_PORT", "eighty")
    with pytest.raises(StackError, match=r"^ORGTRAIL_CLICKHOUSE_PORT: [^\n]+$"):
        access()


def test_an_error_of_the_server_is_one_line_without_the_statement(passwords, server):
    told = f"Code: 497. Not enough rights (for url http://x)\n BY '{digest('pw-WRITER')}'"
    server.refuses = DatabaseError(told)
    with pytest.raises(StackError, match=r"^[^\n]*127\.0\.0\.1[^\n]*Not enough rights$") as refused:
        access(apply=True)
    assert digest("pw-WRITER") not in str(refused.value)
