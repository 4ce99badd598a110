"""The SQL of the views is complete: made of the columns, the catalogue and the retention."""

import re

import pytest

from orgtrail_schemas.access import access
from orgtrail_schemas.catalogue import catalogue
from orgtrail_schemas.tables import (
    data_dictionary,
    event_columns,
    migration_variables,
    migrations_folder,
    view_statements,
)

NAMES = [column.name for column in event_columns()]


def test_no_column_is_declared_twice():
    assert len(set(NAMES)) == len(NAMES)


@pytest.mark.parametrize(
    ("cluster", "expected"),
    [
        (None, {"ON_CLUSTER": "", "REPLICATED": ""}),
        ("a`b", {"ON_CLUSTER": "ON CLUSTER `a\\`b`", "REPLICATED": "Replicated"}),
    ],
)
def test_a_cluster_is_quoted_and_its_tables_are_replicated(cluster, expected):
    assert migration_variables(cluster) == expected


@pytest.mark.parametrize("cluster", [None, "main"])
def test_no_variable_is_left_in_a_view(cluster):
    for sql in view_statements(cluster):
        assert "$" not in sql
        assert ("ON CLUSTER `main`" in sql) == (cluster is not None)
        assert "INTERVAL 90 DAY" in sql


def test_the_view_reads_with_the_grants_of_a_user_who_may_do_nothing_else():
    (events,) = view_statements(None)
    assert "DEFINER = audit_definer SQL SECURITY DEFINER" in events
    (definer,) = [role for role in access().role if role.name == "audit_definer"]
    assert not definer.sign_in
    assert definer.grants == ["SELECT ON audit.events_store"]


def test_the_view_declares_and_selects_each_column_in_order():
    (events,) = view_statements(None)
    declared, selected = events.split("AS SELECT")
    assert re.findall(r"^    `([^`]+)` ", declared, re.MULTILINE) == NAMES
    lines = selected.split("FROM")[0].strip().split(",\n    ")
    assert [re.sub(r"^.* AS ", "", line, flags=re.DOTALL) for line in lines] == NAMES


def test_the_view_knows_the_name_of_every_event():
    (events,) = view_statements(None)
    for event in catalogue().events.values():
        assert f"'{event.key}'" in events
        assert event.name.replace("'", "\\'") in events


def test_the_data_dictionary_has_one_row_per_column():
    rows = [line for line in data_dictionary().splitlines() if line.startswith("| `")]
    assert [row.split("`")[1] for row in rows] == NAMES
    assert all(row.count("|") == 5 for row in rows)


def test_migrations_are_numbered_without_gaps():
    numbers = sorted(int(path.name[:4]) for path in migrations_folder().glob("*.sql"))
    assert numbers == list(range(1, len(numbers) + 1))
