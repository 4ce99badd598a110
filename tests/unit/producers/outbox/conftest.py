"""An outbox in an SQLite file, and a broker that can be hurt."""

import sqlite3
from contextlib import closing
from functools import partial

import pytest
from tests.support.mock_broker import MockBroker

from orgtrail import ProducerSettings
from orgtrail.delivery.kafka import KafkaClient
from orgtrail.outbox import TABLE, Outbox, create_statements
from orgtrail.outbox.connect import database
from orgtrail.outbox.relay import Relay
from orgtrail.outbox.store import Store


@pytest.fixture
def path(tmp_path):
    """A database with an empty outbox."""
    found = tmp_path / "service.db"
    with closing(sqlite3.connect(found)) as connection:
        for sql in create_statements("sqlite"):
            connection.execute(sql)
    return found


@pytest.fixture
def connection(path):
    with closing(sqlite3.connect(path)) as made:
        yield made


@pytest.fixture
def broker():
    made = MockBroker()
    yield made
    made.close()


@pytest.fixture
def settings(broker):
    return ProducerSettings(kafka_brokers=broker.address)


@pytest.fixture
def outbox(settings):
    return Outbox(settings)


@pytest.fixture
def relay(path, settings):
    def make(**options):
        given = {"batch": 500, "lease_s": 15, "keep_s": 0, "url": f"sqlite:///{path}"} | options
        store = Store(
            database(given["url"]), TABLE, settings.topic,
            lease_s=given["lease_s"], keep_s=given["keep_s"],
        )  # fmt: skip
        return Relay(
            store, partial(KafkaClient, settings),
            batch=given["batch"], lease_s=given["lease_s"], destination=settings.kafka_brokers,
        )  # fmt: skip

    return make
