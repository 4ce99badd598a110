"""The suite of every database, on SQLite; PostgreSQL's is in tests/integration/test_outbox.py."""

import pytest
from tests.support.outbox_suite import StoreSuite

from orgtrail.outbox.connect import database as database_of
from orgtrail.outbox.store import DatabaseUnavailableError, Store


class TestStore(StoreSuite):
    @pytest.fixture
    def database(self, path):
        return database_of(f"sqlite:///{path}")


def test_a_missing_table_is_a_problem_and_not_the_end(tmp_path):
    store = Store(database_of(f"sqlite:///{tmp_path}/x.db"), "outbox", "t", lease_s=5, keep_s=0)
    with pytest.raises(DatabaseUnavailableError):
        store.take(5)
    store.create()
    assert store.take(5) == []
