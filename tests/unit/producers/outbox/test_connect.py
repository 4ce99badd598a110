import sqlite3
import sys

import psycopg
import pytest

from orgtrail import SettingsError
from orgtrail.outbox.connect import database, problem


@pytest.mark.parametrize("url", ["", "x", "mysql://h/x", "sqlite://x", "sqlite:///", "sqlite:"])
def test_a_url_is_one_of_two_forms(url):
    with pytest.raises(SettingsError, match="sqlite:///"):
        database(url)


def test_sqlalchemys_urls_are_understood():
    assert database("postgresql+psycopg2://u@h/x").dialect == "postgresql"
    assert database("sqlite+pysqlite:////tmp/x.db").dialect == "sqlite"


def test_a_wrong_url_does_not_show_its_password():
    with pytest.raises(SettingsError) as caught:
        database("postgresql://u:hunter2@[x/y")
    assert "hunter2" not in str(caught.value)


def test_without_psycopg_a_line_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(SettingsError, match=r"pip install 'orgtrail\[outbox\]'"):
        database("postgresql://u@h/x")
    assert database("sqlite:///x.db").dialect == "sqlite"


def test_a_problem_is_one_line_without_values():
    assert problem(sqlite3.OperationalError("no such table: x\nmore")) == (
        "OperationalError: no such table: x"
    )
    error = psycopg.errors.InvalidTextRepresentation("invalid input: 'alice@x'")
    assert problem(error) == "InvalidTextRepresentation (22P02)"
