import sqlite3

import pytest

from orgtrail import SettingsError
from orgtrail.outbox.table import create_statements, percent_style, statements


def test_both_databases_have_the_same_statements_with_the_same_parameters():
    import re

    found = {d: statements(d, "audit.events_out") for d in ("postgresql", "sqlite")}
    assert set(found["postgresql"]) == set(found["sqlite"])
    for name, sql in found["postgresql"].items():
        parameters = set(re.findall(r"(?<![\w:]):([a-z_]+)", sql))
        assert parameters == set(re.findall(r"(?<![\w:]):([a-z_]+)", found["sqlite"][name])), name


def test_the_columns_of_debezium_are_there():
    connection = sqlite3.connect(":memory:")
    for sql in create_statements("sqlite") * 2:
        connection.execute(sql)
    columns = {row[1] for row in connection.execute("PRAGMA table_info(orgtrail_outbox)")}
    assert {"id", "aggregatetype", "aggregateid", "type", "payload"} <= columns
    create = create_statements("postgresql")[0]
    for column in columns:
        assert f"\n  {column} " in create


@pytest.mark.parametrize("name", ["", "a b", "a;drop", 'a"', "a.b.c", "1a", "x" * 60])
def test_a_table_has_a_plain_name(name):
    with pytest.raises(SettingsError, match="plain name"):
        statements("sqlite", name)


def test_an_index_is_named_without_the_schema():
    sql = statements("postgresql", "audit.events_out")["create_waiting"]
    assert "EXISTS events_out_waiting ON audit.events_out" in sql


def test_another_database_is_named():
    with pytest.raises(SettingsError, match="not oracle"):
        create_statements("oracle")


def test_percent_style_changes_parameters_alone():
    assert percent_style("a::int, b = :b, '%', 1:2") == "a::int, b = %(b)s, '%%', 1:2"
