"""The contract at rest: frozen columns, migrations that are never edited, one set for both kinds."""

import hashlib
import re

import pytest

from orgtrail_query_service.reads.statements import TOKENS
from orgtrail_schemas.limits import RETENTION_DAYS
from orgtrail_schemas.tables import (
    event_columns,
    migration_variables,
    migrations_folder,
    view_statements,
)

FROZEN = [
    "event_id",
    "occurred_at",
    "org_id",
    "event",
    "event_name",
    "level",
    "listed",
    "outcome",
    "actor_type",
    "actor_id",
    "actor_email",
    "actor_name",
    "impersonator_type",
    "impersonator_id",
    "impersonator_email",
    "impersonator_name",
    "targets.type",
    "targets.id",
    "targets.email",
    "targets.name",
    "changes.field",
    "changes.old",
    "changes.new",
    "ip",
    "country",
    "user_agent",
    "browser",
    "os",
    "device",
    "service",
    "request_id",
    "session_id",
    "trace_id",
    "metadata",
    "received_at",
    "ingested_at",
    "kafka_topic",
    "kafka_partition",
    "kafka_offset",
    "schema_fingerprint",
]

MIGRATIONS: dict[str, str] = {
    "0001_events_store.sql": "f4cce307c9c45811",
    "0002_people.sql": "db76cbe68395e840",
    "0003_dead_letters.sql": "6fddbbdd8696516d",
    "0004_ingest_progress.sql": "723d6e88a3a35752",
    "0005_cheaper_inserts.sql": "f543e1f3ebe43ada",
    "0006_pairs.sql": "891ecb9e95a46884",
    "0007_first_write_wins.sql": "7916844e09da664c",
    "0008_email_case.sql": "ec150de863ea2f69",
    "0009_people_seen_in.sql": "a55c7679a3b298fe",
    "0010_halve_the_cost.sql": "819d76b86971878a",
    "0011_tokens.sql": "b0c9317ac9f7126f",
}


def test_columns_are_only_appended():
    assert [c.name for c in event_columns()][: len(FROZEN)] == FROZEN


def test_released_migrations_are_unchanged():
    found = {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()[:16]
        for path in sorted(migrations_folder().iterdir())
    }
    assert found == MIGRATIONS


@pytest.mark.parametrize("path", sorted(migrations_folder().iterdir()), ids=lambda p: p.name)
def test_engines_and_clusters_are_variables_of_every_migration(path):
    text = path.read_text()
    for create in re.findall(r"CREATE TABLE[^(]*", text):
        assert "${ON_CLUSTER}" in create
    assert text.count("ENGINE = ${REPLICATED}") == text.count("CREATE TABLE")
    assert set(re.findall(r"\$\{(\w+)\}", text)) <= set(migration_variables(None))


def test_the_tables_keep_events_for_the_retention():
    text = "\n".join(path.read_text() for path in migrations_folder().iterdir())
    assert set(re.findall(r"INTERVAL (\d+) DAY", text)) == {str(RETENTION_DAYS)}


def test_views_are_of_one_server_or_of_a_cluster():
    (single,) = view_statements(None)
    (clustered,) = view_statements("main")
    assert "ON CLUSTER" not in single
    assert "ON CLUSTER `main`" in clustered
    assert "SQL SECURITY DEFINER" in single


def test_the_filters_ask_for_what_the_index_over_tokens_holds():
    """ClickHouse uses the index only for the same expression."""
    (migration,) = migrations_folder().glob("0011_*")
    index = migration.read_text().split("tokens_idx\n")[-1].split("TYPE text")[0]
    assert "".join(index.split()) == "".join(TOKENS.split())
