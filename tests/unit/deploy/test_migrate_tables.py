"""Migrations, then views: with the right connection, and errors in one line."""

import clickhouse_connect
import clickhouse_migrations.clickhouse_cluster as library
import pytest
from clickhouse_connect.driver.exceptions import OperationalError
from clickhouse_migrations.exceptions import MigrationException

from orgtrail_deploy import migrate_tables as module
from orgtrail_deploy.errors import StackError
from orgtrail_deploy.migrate_tables import migrate_tables
from orgtrail_schemas.connections import ClickHouseSettings
from orgtrail_schemas.settings import Secret
from orgtrail_schemas.tables import migrations_folder

SERVER = ClickHouseSettings(host="clickhouse.example", port=8124)


@pytest.fixture
def server(monkeypatch):
    """What reaches the server, in order; ``fails`` is raised by the migrations, or by the views."""
    state = {"did": [], "applied": ["1", "2"], "fails": None, "view_fails": None}

    class Cluster:
        def __init__(self, **connection):
            state["did"].append(("connect", connection))

        def migrate(self, database, folder, **options):
            if state["fails"]:
                raise state["fails"]
            state["did"].append(("migrate", {"database": database, "folder": folder} | options))
            return state["applied"]

    class Client:
        def __enter__(self):
            return self

        def __exit__(self, *_error):
            return None

        def command(self, statement):
            if state["view_fails"]:
                raise state["view_fails"]
            state["did"].append(("view", statement))

    monkeypatch.setattr(library, "ClickhouseCluster", Cluster)
    monkeypatch.setattr(clickhouse_connect, "get_client", lambda **_given: Client())
    return state


def run(cluster=None, **options):
    return migrate_tables(SERVER, "mia", Secret("s3cret"), cluster, **options)


def test_migrations_are_applied_before_views(server):
    assert run() == 2
    assert [kind for kind, _ in server["did"]] == ["connect", "migrate", "view"]
    connection, migration = server["did"][0][1], server["did"][1][1]
    assert (connection["db_host"], connection["db_port"]) == ("clickhouse.example", "8124")
    assert (connection["db_user"], connection["db_password"]) == ("mia", "s3cret")
    assert (migration["database"], migration["folder"]) == ("audit", migrations_folder())
    assert all("audit_definer" in text for kind, text in server["did"] if kind == "view")


@pytest.mark.parametrize("none", [[], None])
def test_nothing_to_apply_still_recreates_the_views(server, none):
    server["applied"] = none
    assert run() == 0
    assert [kind for kind, _ in server["did"]].count("view") == 1


@pytest.mark.parametrize(
    ("cluster", "locked", "on"), [(None, False, ""), ("main", True, "ON CLUSTER `main`")]
)
def test_only_a_cluster_is_locked_and_named(server, cluster, locked, on):
    run(cluster)
    migration = server["did"][1][1]
    assert (migration["lock"], migration["cluster_name"]) == (locked, cluster)
    assert migration["variables"]["ON_CLUSTER"] == on
    assert all(("ON CLUSTER" in text) == locked for kind, text in server["did"] if kind == "view")


@pytest.mark.parametrize("replicated", [True, False])
def test_the_table_over_all_shards_comes_last(server, replicated):
    run("main", replicated=replicated)
    migration, (_, view), (_, everywhere) = server["did"][1:]
    assert (migration[1]["lock"], migration[1]["variables"]["REPLICATED"]) == (
        (True, "Replicated") if replicated else (False, "")
    )
    assert "ENGINE = Distributed('main', 'audit', 'events', CRC32(org_id))" in everywhere
    assert [" ON CLUSTER `main`" in sql for sql in (view, everywhere)] == [replicated] * 2


@pytest.mark.parametrize("where", ["fails", "view_fails"])
@pytest.mark.parametrize("kind", [OperationalError, MigrationException])
def test_an_error_is_one_line_with_the_host_and_the_reason(server, where, kind):
    server[where] = kind("Code: 516. wrong password Stack trace:\n0. a\n1. b")
    with pytest.raises(StackError, match=r"^[^\n]*clickhouse\.example[^\n]*516[^\n]*$") as failed:
        run()
    assert "Stack trace" not in str(failed.value)
    assert "s3cret" not in str(failed.value)


def test_a_replica_that_is_behind_is_waited_for(server, monkeypatch):
    behind = OperationalError("Received ClickHouse exception, code: 517, server response: retry")
    waited = []

    def wait(seconds):
        waited.append(seconds)
        if len(waited) == 3:
            server["fails"] = None

    monkeypatch.setattr(module.time, "sleep", wait)
    server["fails"] = behind
    assert run("main") == 2
    assert len(waited) == 3
    server["fails"] = behind
    monkeypatch.setattr(module, "_FOLLOWS_WITHIN_S", -1)
    with pytest.raises(StackError, match="517"):
        run("main")
