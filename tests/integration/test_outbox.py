"""The outbox on a real PostgreSQL; ``orgtrail relay`` killed again and again."""

import json
import random
import re
import signal
import subprocess
import sys
import threading
import time
from collections import Counter, defaultdict
from contextlib import closing, suppress
from functools import partial
from pathlib import Path

import psycopg
import psycopg2
import pytest
import sqlalchemy
from confluent_kafka import Consumer, TopicPartition
from sqlalchemy.orm import Session
from tests.support.hurt_relay import STEPS
from tests.support.outbox_suite import TOPIC, StoreSuite
from tests.support.postgres import Postgres
from tests.support.running import eventually, without_readings
from tests.support.snippets import PAGE, snippet

from orgtrail import Actor, ProducerSettings
from orgtrail.delivery.kafka import KafkaClient
from orgtrail.outbox import TABLE, Outbox, create_statements
from orgtrail.outbox.connect import database as database_of
from orgtrail.outbox.relay import Relay
from orgtrail.outbox.store import Store

ALICE = Actor(id="u-1", email="alice@acme.example")
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def postgres():
    made = Postgres()
    yield made
    made.remove()


@pytest.fixture
def url(postgres):
    """A database with an empty outbox."""
    with postgres.connect(autocommit=True) as connection:
        # A test that failed may have left a transaction open.
        connection.execute("SET lock_timeout = '10s'")
        connection.execute(f"DROP TABLE IF EXISTS {TABLE}, {TABLE}_lease")
        for sql in create_statements("postgresql"):
            connection.execute(sql)
    return postgres.url


@pytest.fixture
def database(url):
    return database_of(url)


@pytest.fixture
def connection(url):
    with psycopg.connect(url) as made:
        yield made


@pytest.fixture
def relay(running, database):
    def make(**options):
        settings = ProducerSettings(kafka_brokers=running.stack.brokers)
        store = Store(database, TABLE, TOPIC, lease_s=15, keep_s=0)
        return Relay(
            store, partial(KafkaClient, settings), lease_s=15, destination="Kafka",
            **{"batch": 500} | options,
        )  # fmt: skip

    return make


def login(outbox, connection, org="acme", **more):
    return outbox.emit(connection, "user.login", org_id=org, actor=ALICE, **more)


def make_member(connection):
    connection.execute("DROP TABLE IF EXISTS member; CREATE TABLE member (id text, role text)")
    connection.execute("INSERT INTO member VALUES ('u-2', 'member')")
    connection.commit()


def left(url):
    with psycopg.connect(url) as connection:
        return connection.execute(f"SELECT count(*) FROM {TABLE}").fetchone()[0]


class TestStore(StoreSuite):
    """The same as on SQLite."""

    def test_leasing_does_not_wait_for_another_relay(self, store, emit, connection):
        emit("a", "b")
        first = store()
        first.settle([], {}) if first.take(10) else None
        connection.execute(f"SELECT * FROM {TABLE}_lease WHERE aggregateid = 'a' FOR UPDATE")
        before = time.monotonic()
        assert [row.envelope.key for row in store().take(10)] == ["b"]
        assert time.monotonic() - before < 2
        connection.rollback()

    def test_a_hundred_thousand_waiting_rows_do_not_make_polling_slow(
        self, store, emit, connection
    ):
        emit("a", "b")
        connection.execute(
            f"INSERT INTO {TABLE} (id, aggregatetype, aggregateid, type, payload, ce_source,"
            f" ce_time) SELECT id, aggregatetype, 'm', type, payload, ce_source, ce_time"
            f" FROM {TABLE}, generate_series(1, 100000) WHERE aggregateid = 'a'"
        )
        connection.commit()
        first = store()
        before = time.monotonic()
        assert len(first.take(30)) == 12
        assert time.monotonic() - before < 0.5


@pytest.mark.parametrize("driver", ["psycopg", "psycopg2"])
def test_sqlalchemy(url, driver):
    outbox = Outbox()
    engine = sqlalchemy.create_engine(url.replace("postgresql:", f"postgresql+{driver}:"))
    with Session(engine) as session:
        login(outbox, session)
        session.rollback()
        login(outbox, session)
        session.commit()
    with engine.begin() as connection:
        login(outbox, connection)
    engine.dispose()
    assert left(url) == 2


@pytest.mark.parametrize("driver", [psycopg, psycopg2])
@pytest.mark.parametrize("of", [lambda c: c, lambda c: c.cursor()], ids=["connection", "cursor"])
def test_drivers(url, driver, of):
    connection = driver.connect(url)
    login(Outbox(), of(connection))
    connection.rollback()
    login(Outbox(), of(connection), org=["a", "b"])
    connection.commit()
    connection.close()
    assert left(url) == 2


def test_django(url, connection):
    make_member(connection)
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.django_outbox", url],
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["counts"], found["quiet"], len(found["logged"])) == ([0, 1, 3], 0, 1)


def test_the_documents_snippets_run(url, connection):
    make_member(connection)
    given = {"psycopg": psycopg, "url": url, "Actor": Actor, "outbox": Outbox()}
    exec(snippet("psycopg"), given)
    assert left(url) == 1
    assert connection.execute("SELECT role FROM member").fetchall() == [("admin",)]


def test_the_documents_grants_and_monitoring_query_work(url, connection, database):
    """The roles may do what they need with the grants that the documents name."""
    connection.execute(
        "DROP ROLE IF EXISTS service; DROP ROLE IF EXISTS relay;"
        "CREATE ROLE service LOGIN; CREATE ROLE relay LOGIN;"
        f"GRANT INSERT ON {TABLE} TO service; GRANT SELECT, UPDATE, DELETE ON {TABLE} TO relay;"
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON {TABLE}_lease TO relay"
    )
    connection.commit()
    relay = database_of(url.replace("postgres@", "relay@"))
    for keep in (0, 5):
        with psycopg.connect(url.replace("postgres@", "service@")) as service:
            login(Outbox(), service)
            login(Outbox(), service)
        store = Store(relay, TABLE, TOPIC, lease_s=15, keep_s=keep)
        first, second = store.take(5)
        store.settle([first.position], {second.position: "no"})
        store.extend()
        store.clean()
        store.other_topic()
        store.close()
    (query,) = re.findall(r"```sql\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    assert connection.execute(query).fetchone()[:2] == (0, 2)
    connection.execute(f"UPDATE {TABLE} SET refused = NULL")
    login(Outbox(), connection)
    found = connection.execute(query).fetchone()
    assert found[:2] == (3, 0)
    assert 0 <= found[2] < 60
    connection.rollback()
    connection.execute("DROP OWNED BY service, relay; DROP ROLE service; DROP ROLE relay")


@pytest.mark.parametrize("driver", [psycopg, psycopg2])
def test_an_insert_without_a_transaction_is_told(url, driver, caplog, monkeypatch):
    monkeypatch.setattr("orgtrail.outbox.insert._warned", set())
    with closing(driver.connect(url)) as connection:
        connection.autocommit = True
        connection.cursor().execute("BEGIN")
        login(Outbox(), connection)
        assert "outside of a transaction" not in caplog.text
        connection.cursor().execute("COMMIT")
        login(Outbox(), connection)
    assert "outside of a transaction" in caplog.text


def test_a_transaction_that_commits_late_is_not_skipped(running, url, relay):
    """Its rows have the lower positions, and are delivered after those that passed them."""
    outbox, topic = Outbox(), Topic(running.stack.brokers)
    with psycopg.connect(url) as slow, psycopg.connect(url) as quick:
        first = login(outbox, slow, "gap")
        second = login(outbox, quick, "gap")
        quick.commit()
        relay().run(once=True)
        third = login(outbox, quick, "gap")
        slow.commit()
        quick.commit()
        relay().run(once=True)
    assert left(url) == 0
    assert topic.first_appearances()["gap"] == [second, first, third]


def test_the_database_restarts_under_a_relay(running, url, postgres, caplog):
    outbox = Outbox()
    with psycopg.connect(url) as connection:
        login(outbox, connection, "restart")
    process = start(running, url)
    try:
        eventually(lambda: left(url) == 0)
        postgres.stop()
        time.sleep(1)
        assert process.poll() is None
        postgres.start()
        with psycopg.connect(url) as connection:
            login(outbox, connection, "restart")
        eventually(lambda: left(url) == 0)
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=15)
    finally:
        process.kill()
    assert process.returncode == 0
    assert "cannot be read or written" in said
    assert "the outbox is available again" in said
    assert "Traceback" not in said


class Topic:
    """What arrives in the topic from now on."""

    def __init__(self, brokers):
        self._consumer = Consumer(
            {"bootstrap.servers": brokers, "group.id": "outbox-test", "log_level": 0}
        )
        places = self._consumer.list_topics(TOPIC).topics[TOPIC].partitions
        self._from = {
            n: self._consumer.get_watermark_offsets(TopicPartition(TOPIC, n))[1] for n in places
        }

    def records(self):
        """Organization and event id of each, in the order of its partition."""
        ends = {
            n: self._consumer.get_watermark_offsets(TopicPartition(TOPIC, n))[1] for n in self._from
        }
        wanted = sum(ends.values()) - sum(self._from.values())
        self._consumer.assign([TopicPartition(TOPIC, n, at) for n, at in self._from.items()])
        found = []
        deadline = time.monotonic() + 60
        while len(found) < wanted and time.monotonic() < deadline:
            message = self._consumer.poll(1)
            if message is not None and not message.error():
                name = dict(message.headers())["ce_id"].decode()
                found.append((message.key().decode(), name))
        self._consumer.close()
        return found

    def first_appearances(self):
        order = defaultdict(dict)
        for org, name in self.records():
            order[org].setdefault(name)
        return {org: list(names) for org, names in order.items()}


class Writers:
    """Threads that commit and roll back transactions of some organizations.

    The transactions of one organization follow each other, so they have an order to be kept.
    """

    def __init__(self, url, orgs, threads=4):
        self.committed = {org: [] for org in orgs}
        self.rolled_back = []
        self._locks = {org: threading.Lock() for org in orgs}
        self._stopped = threading.Event()
        self._failures = []
        self._threads = [
            threading.Thread(target=self._guarded, args=(url,)) for _ in range(threads)
        ]
        for thread in self._threads:
            thread.start()

    def stop(self):
        self._stopped.set()
        for thread in self._threads:
            thread.join()
        assert not self._failures

    def _guarded(self, url):
        try:
            self._write(url)
        except Exception as error:
            self._failures.append(error)

    def _write(self, url):
        outbox, orgs = Outbox(), list(self.committed)
        with psycopg.connect(url) as connection:
            while not self._stopped.wait(random.uniform(0.005, 0.03)):
                org = random.choice(orgs)
                with self._locks[org]:
                    made = []
                    for _ in range(random.randint(1, 3)):
                        made.append(login(outbox, connection, org))
                        if random.random() < 0.1:
                            time.sleep(0.01)
                    if random.random() < 0.15:
                        connection.rollback()
                        self.rolled_back += made
                    else:
                        connection.commit()
                        self.committed[org] += made


def start(running, url, **environment):
    return subprocess.Popen(
        [sys.executable, "-m", "tests.support.hurt_relay", "--lease-seconds", "2", "--batch", "50"],
        env={"PATH": "/usr/bin", "ORGTRAIL_KAFKA_BROKERS": running.stack.brokers,
             "ORGTRAIL_OUTBOX_DATABASE": url, **environment},
        stderr=subprocess.PIPE, text=True, cwd=ROOT,
    )  # fmt: skip


def start_to_die(running, url):
    """One that kills itself at a step of its work, or one to be killed at any moment."""
    step = random.choice([*STEPS, None, None, None])
    hurt = {"HURT": f"{step}:{random.randint(1, 5)}"} if step else {}
    return step, start(running, url, **hurt)


def api_ids(running, org):
    """Every event id that a reader is given, page by page."""
    answer = running.get(f"/v1/orgs/{org}/events", org=org, limit=1000)
    found = []
    while True:
        assert answer.status_code == 200, answer.text
        found += [event["event_id"] for event in without_readings(answer.json()["events"])]
        cursor = re.search(r"[?&]cursor=([^&>]+)", answer.headers.get("link", ""))
        if cursor is None:
            return found
        answer = running.get(f"/v1/orgs/{org}/events", org=org, limit=1000, cursor=cursor[1])


@pytest.mark.long
def test_killed_at_random_moments_nothing_is_missing_doubled_or_out_of_order(running, url, request):
    kills = 50 if int(request.config.getoption("--rounds")) > 1 else 10
    topic = Topic(running.stack.brokers)
    orgs = [f"outbox-{n}" for n in range(20)]
    began = time.monotonic()
    writers = Writers(url, orgs)
    dying = [start_to_die(running, url) for _ in range(2)]
    relays = []
    died = Counter()
    try:
        for number in range(kills):
            step, process = dying.pop(0)
            with suppress(subprocess.TimeoutExpired):
                process.wait(10 if step else random.uniform(0.2, 3))
            died[step if process.poll() is not None else "any moment"] += 1
            process.kill()
            assert "Traceback" not in process.communicate()[1]
            assert process.returncode == -signal.SIGKILL
            if number < kills - 2:
                dying.append(start_to_die(running, url))
            else:
                relays.append(start(running, url))
        writers.stop()
        eventually(lambda: left(url) == 0, 60)
        for process in relays:
            # Until then it has no handler of the signal.
            assert "delivering from the outbox" in process.stderr.readline()
            process.send_signal(signal.SIGTERM)
            _, said = process.communicate(timeout=15)
            assert process.returncode == 0
            assert "Traceback" not in said
    finally:
        writers._stopped.set()
        for process in [*relays, *(process for _, process in dying)]:
            process.kill()

    records = [record for record in topic.records() if record[0] in writers.committed]
    total = sum(map(len, writers.committed.values()))
    print(
        f"{kills} kills ({', '.join(f'{n} {step}' for step, n in died.items())}), {total} events committed, {len(writers.rolled_back)} rolled back,"
        f" {len(records) - len(set(records))} records sent twice,"
        f" {time.monotonic() - began:.0f} s"
    )
    order = defaultdict(dict)
    for org, name in records:
        order[org].setdefault(name)
    for org, names in writers.committed.items():
        assert list(order[org]) == names, org
    seen = {name for _, name in records}
    assert not seen & set(writers.rolled_back)
    for org, names in writers.committed.items():
        eventually(lambda org=org, names=names: len(api_ids(running, org)) >= len(names), 60)
        assert sorted(api_ids(running, org)) == sorted(names), org
