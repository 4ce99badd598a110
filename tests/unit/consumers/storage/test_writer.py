"""Inserts: one connection per thread, made when it is needed."""

import threading

import clickhouse_connect
import pyarrow as pa
import pytest
from clickhouse_connect.driver.exceptions import OperationalError

from orgtrail_consumers.settings import ConsumerSettings
from orgtrail_consumers.storage.writer import WriteError, Writer
from orgtrail_schemas.settings import SettingsError

ROWS = pa.table({"a": [1]})


class Client:
    def __init__(self, **connection):
        self.connection, self.inserts, self.errors = connection, [], []

    def insert_arrow(self, table, rows, database):
        if self.errors:
            raise self.errors.pop()
        self.inserts.append((database, table, rows))

    def raw_insert(self, table, column_names, insert_block, fmt):
        pieces = list(insert_block)
        assert (column_names, fmt) == (["a", "b"], "ArrowStream")
        self.inserts.append((table, len(pieces), pa.ipc.open_stream(b"".join(pieces)).read_all()))


@pytest.fixture
def clients(monkeypatch):
    made = []

    def connect(**connection):
        made.append(Client(**connection))
        return made[-1]

    monkeypatch.setattr(clickhouse_connect, "get_client", connect)
    return made


def over(settings):
    (server,) = settings.clickhouse.servers()
    return Writer(server, settings.clickhouse_writer_user, settings.clickhouse_writer_password)


def writer(**given):
    return over(ConsumerSettings.load({}, clickhouse_writer_password="hunter2", **given))


def test_nothing_is_connected_before_the_first_insert(clients):
    made = writer()
    assert clients == []
    made.insert("events_store", ROWS)
    made.insert("people", ROWS)
    (client,) = clients
    assert client.inserts == [("audit", "events_store", ROWS), ("audit", "people", ROWS)]


def test_a_large_insert_is_sent_in_pieces(clients):
    rows = pa.table({"a": range(20_000), "b": [str(n) for n in range(20_000)]})
    # As the pipeline makes them: of several chunks.
    rows = pa.concat_tables([rows.slice(0, 11_000), rows.slice(11_000)])
    writer().insert("events_store", rows)
    ((table, pieces, sent),) = clients[0].inserts
    assert (table, pieces > 3) == ("audit.events_store", True)
    assert sent.equals(rows)


def test_it_connects_as_the_writer_and_waits_no_longer_than_a_batch_may_take(clients):
    writer(clickhouse_host="store", clickhouse_port=1, clickhouse_writer_user="w").insert("t", ROWS)
    given = clients[0].connection
    assert (given["host"], given["port"], given["username"]) == ("store", 1, "w")
    assert given["password"] == "hunter2"
    # A session would make the threads wait for one another.
    assert given["autogenerate_session_id"] is False
    assert given["connect_timeout"] < given["send_receive_timeout"] <= 60


def test_each_thread_has_a_connection_of_its_own(clients):
    made = writer()
    made.insert("t", ROWS)
    other = threading.Thread(target=made.insert, args=("t", ROWS))
    other.start()
    other.join()
    assert [len(client.inserts) for client in clients] == [1, 1]


@pytest.mark.parametrize("error", [OSError("reset"), OperationalError("Code: 241.")])
def test_an_insert_that_failed_is_an_error_and_may_be_tried_again(clients, error):
    made = writer()
    made.insert("t", ROWS)
    clients[0].errors.append(error)
    with pytest.raises(WriteError):
        made.insert("t", ROWS)
    made.insert("t", ROWS)
    assert len(clients) == 1
    assert len(clients[0].inserts) == 2


def test_a_connection_that_failed_is_made_again(clients, monkeypatch):
    connect, errors = clickhouse_connect.get_client, [OperationalError("refused")]

    def flaky(**connection):
        if errors:
            raise errors.pop()
        return connect(**connection)

    monkeypatch.setattr(clickhouse_connect, "get_client", flaky)
    made = writer()
    with pytest.raises(WriteError):
        made.insert("t", ROWS)
    made.insert("t", ROWS)
    assert len(clients[0].inserts) == 1


def test_a_password_file_that_is_missing_is_named(clients, tmp_path):
    variable = "ORGTRAIL_CLICKHOUSE_WRITER_PASSWORD_FILE"
    made = over(ConsumerSettings.load({variable: str(tmp_path / "gone")}))
    with pytest.raises(SettingsError, match=rf"^{variable}: .*gone cannot be read"):
        made.insert("t", ROWS)
    (tmp_path / "gone").write_text("there\n")
    made.insert("t", ROWS)
    assert clients[0].connection["password"] == "there"
