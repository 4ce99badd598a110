"""Every kind of connection, on SQLite; PostgreSQL's are in tests/integration/test_outbox.py."""

import asyncio
import json
import logging
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session, scoped_session, sessionmaker
from tests.support.snippets import snippet

from orgtrail import Actor, InvalidEventError
from orgtrail.outbox import Outbox, insert

ALICE = Actor(id="u-1")
ROOT = Path(__file__).resolve().parents[4]


@pytest.fixture
def outbox():
    return Outbox()


@pytest.fixture
def count(path):
    def ask():
        connection = sqlite3.connect(path)
        (found,) = connection.execute("SELECT count(*) FROM orgtrail_outbox").fetchone()
        connection.close()
        return found

    return ask


@pytest.fixture
def engine(path):
    made = sqlalchemy.create_engine(f"sqlite:///{path}")
    yield made
    made.dispose()


def make_member(connection):
    connection.execute("CREATE TABLE member (id text, role text)")
    connection.execute("INSERT INTO member VALUES ('u-2', 'member')")
    connection.commit()


def login(outbox, connection):
    return outbox.emit(connection, "user.login", org_id="acme", actor=ALICE)


def test_a_cursor_of_sqlite3(outbox, connection, count):
    login(outbox, connection.cursor())
    assert count() == 0
    connection.commit()
    assert count() == 1


def test_a_connection_of_sqlalchemy(outbox, engine, count):
    with engine.begin() as connection:
        login(outbox, connection)
        assert count() == 0
    with pytest.raises(ZeroDivisionError), engine.begin() as connection:
        login(outbox, connection)
        raise ZeroDivisionError
    assert count() == 1


@pytest.mark.parametrize("make", [Session, lambda e: scoped_session(sessionmaker(e))])
def test_a_session_of_sqlalchemy(outbox, engine, count, make):
    session = make(engine)
    login(outbox, session)
    session.rollback()
    assert count() == 0
    login(outbox, session)
    session.commit()
    session.close()
    assert count() == 1


def test_a_connection_of_django(path, connection):
    make_member(connection)
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.django_outbox", f"sqlite:///{path}"],
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    # Rolled back; the snippet of the documents; two without a transaction, told once.
    assert found["counts"] == [0, 1, 3]
    assert found["quiet"] == 0
    (told,) = found["logged"]
    assert "transaction.atomic()" in told


@pytest.mark.parametrize("name", ["sqlalchemy", "sqlite3"])
def test_the_documents_snippets_run(name, path, connection, engine, count):
    make_member(connection)
    given = {
        "engine": engine, "Session": Session, "text": sqlalchemy.text, "sqlite3": sqlite3,
        "path": path, "Actor": Actor, "outbox": Outbox(),
    }  # fmt: skip
    exec(snippet(name), given)
    assert count() == 1
    assert connection.execute("SELECT role FROM member").fetchall() == [("admin",)]


def test_what_is_no_connection_is_named(outbox):
    with pytest.raises(InvalidEventError, match="connection: must come from sqlite3"):
        login(outbox, object())


def test_an_asynchronous_connection_says_what_to_do(outbox):
    with pytest.raises(InvalidEventError, match="run_sync"):
        login(outbox, AsyncSession())


def test_an_asynchronous_session_works_through_run_sync(outbox, engine, count, monkeypatch):
    """What ``run_sync`` hands over is an ordinary session."""

    class Bridge:
        async def run_sync(self, function):
            with Session(engine) as session, session.begin():
                return function(session)

    asyncio.run(Bridge().run_sync(lambda session: login(outbox, session)))
    assert count() == 1


def test_the_databases_own_errors_are_the_callers(outbox, tmp_path):
    with pytest.raises(sqlite3.OperationalError, match="no such table"):
        login(outbox, sqlite3.connect(tmp_path / "empty.db"))


def test_an_insert_without_a_transaction_is_told_once(outbox, path, caplog, monkeypatch):
    monkeypatch.setattr(insert, "_warned", set())
    alone = sqlite3.connect(path, isolation_level=None)
    for connection in (alone, alone, alone.cursor()):
        login(outbox, connection)
    (told,) = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    assert "begin a transaction" in told


def test_a_transaction_that_was_begun_by_hand_is_one(outbox, path, caplog, monkeypatch):
    monkeypatch.setattr(insert, "_warned", set())
    by_hand = sqlite3.connect(path, isolation_level=None)
    by_hand.execute("BEGIN")
    login(outbox, by_hand)
    by_hand.rollback()
    usual = sqlite3.connect(path)
    login(outbox, usual)
    usual.rollback()
    assert not caplog.records
