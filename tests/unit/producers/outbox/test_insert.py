"""Every kind of connection, on SQLite; PostgreSQL's are in tests/integration/test_outbox.py."""

import asyncio
import logging
import sqlite3

import pytest
import sqlalchemy
from django.conf import settings as django_settings
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session, scoped_session, sessionmaker

from orgtrail import Actor, InvalidEventError
from orgtrail.outbox import Outbox, insert

ALICE = Actor(id="u-1")


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


@pytest.fixture
def django_connection(path):
    if not django_settings.configured:
        django_settings.configure()
    from django.db.backends.sqlite3.base import DatabaseWrapper

    made = DatabaseWrapper(
        {"NAME": str(path), "AUTOCOMMIT": True, "ATOMIC_REQUESTS": False, "CONN_MAX_AGE": 0,
         "CONN_HEALTH_CHECKS": False, "OPTIONS": {}, "TIME_ZONE": None, "TEST": {}}
    )  # fmt: skip
    yield made
    made.close()


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


def test_a_connection_of_django(outbox, django_connection, count):
    from django.db.transaction import Atomic

    class OfThis(Atomic):
        def __enter__(self):
            django_connection.set_autocommit(False)
            django_connection.in_atomic_block = True

        def __exit__(self, *_):
            django_connection.in_atomic_block = False
            django_connection.commit()
            django_connection.set_autocommit(True)

    with OfThis(None, True, False):
        login(outbox, django_connection)
        assert count() == 0
    assert count() == 1


def test_what_is_no_connection_is_named(outbox):
    with pytest.raises(InvalidEventError, match="connection: must be of sqlite3"):
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


def test_an_insert_without_a_transaction_is_told_once(
    outbox, path, django_connection, caplog, monkeypatch
):
    monkeypatch.setattr(insert, "_warned", set())
    alone = sqlite3.connect(path, isolation_level=None)
    for connection in (alone, alone, alone.cursor(), django_connection, django_connection):
        login(outbox, connection)
    told = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    assert len(told) == 2
    assert "begin a transaction" in told[0]
    assert "transaction.atomic()" in told[1]


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
