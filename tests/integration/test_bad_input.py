"""Whatever a service sends: stored or set aside with its reason, and its neighbours are stored."""

import csv
import io
import json
from datetime import UTC, datetime, timedelta
from itertools import product

import pytest
from confluent_kafka import Consumer, TopicPartition
from tests.support.confluent import encode_confluent
from tests.support.events import datum, emit_arguments, record
from tests.support.parquet import parquet
from tests.support.raw_batch import BAD as NOT_UTF8
from tests.support.raw_batch import raw_batch, send_raw_batch
from tests.support.registry import REGISTRY_ID, registry
from tests.support.running import eventually
from tests.support.up import orgtrail

from orgtrail.event_id import new_event_id
from orgtrail_query_service.reads.filters import FILTERS
from orgtrail_schemas.catalogue import REDACTED
from orgtrail_schemas.codec import encode
from orgtrail_schemas.event_schema import EventSchema, current_schema
from orgtrail_schemas.topics import DEAD_LETTER_TOPIC, EVENTS_TOPIC

NOW = datetime.now(UTC)
BAD = {
    "malformed": datum()[:40],
    "unknown_schema": b"\xc3\x01" + bytes(8) + b"later",
    "unknown_framing": b'{"event": "user.login"}',
    "empty_value": None,
    "implausible_time": datum(occurred_at=NOW + timedelta(hours=1)),
    "missing_organization": datum(org_id=""),
    "invalid_event_id": datum(event_id="42"),
    "missing_event": datum(event=""),
}


def dead_letters(running):
    """Every dead letter: value, key, headers."""
    consumer = Consumer({"bootstrap.servers": running.stack.brokers, "group.id": "tests"})
    ends = {}
    for number in consumer.list_topics(DEAD_LETTER_TOPIC).topics[DEAD_LETTER_TOPIC].partitions:
        _low, ends[number] = consumer.get_watermark_offsets(
            TopicPartition(DEAD_LETTER_TOPIC, number)
        )
    consumer.assign([TopicPartition(DEAD_LETTER_TOPIC, n, 0) for n, end in ends.items() if end])
    found = []
    for _ in range(sum(ends.values())):
        message = consumer.poll(30)
        found.append((message.value(), message.key(), dict(message.headers())))
    consumer.close()
    return found


def counted(running, org):
    """How many records readers are told were set aside, as soon as there are any."""
    return eventually(lambda: running.get(f"/v1/orgs/{org}/events", org=org).json()["set_aside"])


@pytest.mark.parametrize(("reason", "value"), BAD.items(), ids=BAD)
def test_it_is_set_aside_whole_and_its_neighbours_are_stored(running, reason, value):
    org = f"bad-{reason}"
    headers = [("ce_id", b"1"), ("x", reason.encode())]
    running.raw.send(datum(org_id=org), org.encode())
    partition, offset = running.raw.send(value, org.encode(), headers=headers)
    running.raw.send(datum(org_id=org), org.encode())
    assert len(running.wait_for(org, 2)) == 2

    def mine():
        return [d for d in dead_letters(running) if d[2].get("x") == reason.encode()]

    ((original, key, kept),) = eventually(mine)
    assert (original, key) == (value, org.encode())
    assert kept["orgtrail-reason"] == reason.encode()
    assert kept["orgtrail-source"].startswith(f"audit.events.v1/{partition}/{offset}/".encode())
    sql = (
        "SELECT reason, kafka_partition, kafka_offset FROM audit.dead_letters FINAL"
        " WHERE org_id = {org:String}"
    )
    rows = eventually(lambda: running.sql(sql, org=org))
    assert list(rows) == [(reason, partition, offset)]
    assert counted(running, org) == 1


def test_a_row_that_clickhouse_refuses_is_set_aside_and_holds_up_nobody(running):
    """An operator added a constraint. The record has a header that Python cannot read as text."""
    org = "refused-rows"
    refused = datum(org_id=org, actor=record()["actor"] | {"name": "refuse me (READONLY)"})
    table, name = "audit.events_store", "tests_refuse"
    running.client("audit_migrator").command(
        f"ALTER TABLE {table} ADD CONSTRAINT {name} CHECK actor_name NOT LIKE 'refuse%'"
    )
    try:
        batch = raw_batch([datum(org_id=org), refused, datum(org_id=org)], ["a", NOT_UTF8, "c"])
        send_raw_batch(running.stack.brokers, EVENTS_TOPIC, 0, batch)
        running.raw.send(datum(org_id=org), org.encode(), partition=0)
        assert len(running.wait_for(org, 3)) == 3
        found = eventually(lambda: [d for d in dead_letters(running) if d[0] == refused])
    finally:
        running.client("audit_migrator").command(f"ALTER TABLE {table} DROP CONSTRAINT {name}")
    assert found[0][2]["orgtrail-reason"] == b"storage_rejected"
    assert b"469 VIOLATED_CONSTRAINT" in found[0][2]["orgtrail-detail"]
    assert b"refuse me" not in found[0][2]["orgtrail-detail"]


def test_an_event_older_than_the_retention_is_set_aside(running):
    running.raw.send(datum(org_id="old", occurred_at=NOW - timedelta(days=91)), b"old")
    eventually(lambda: running.sql("SELECT 1 FROM audit.dead_letters WHERE org_id = 'old'"))
    assert running.events("old") == []


def test_an_unknown_event_is_stored_and_marked(running):
    running.raw.send(datum(event="shop.order.refunded", org_id="unlisted"), b"unlisted")
    (event,) = running.wait_for("unlisted", 1)
    assert (event["event_name"], event["level"], event["listed"]) == (
        "shop.order.refunded",
        "other",
        False,
    )


@pytest.mark.parametrize("event", ["org.user.password.changed", "shop.pin.set"])
def test_a_secret_that_another_sender_left_in_is_readable_nowhere(running, event):
    org = f"secret-{event}"
    changes = [{"field": "password", "old": "hunter2", "new": "hunter2"}]
    metadata = {"api_key": "hunter2"}
    value = datum(event=event, org_id=org, changes=changes, metadata=metadata)
    running.raw.send(value, org.encode())
    (found,) = running.wait_for(org, 1)
    assert found["changes"] == [{"field": "password", "old": REDACTED, "new": REDACTED}]
    assert found["metadata"] == {"api_key": REDACTED}
    link = f"/v1/orgs/{org}/events/export.csv"
    assert "hunter2" not in running.get(link, org=org).text
    stored = running.sql("SELECT * FROM audit.events_store WHERE org_id = {org:String}", org=org)
    assert "hunter2" not in repr(stored)
    logs = "".join(p.read_text() for p in (running.stack.root / "logs").iterdir())
    assert "hunter2" not in logs


def test_our_sdk_sends_no_secret_at_all(running):
    with running.producer() as producer:
        arguments = emit_arguments("org.user.password.changed") | {"org_id": "sdk-secret"}
        producer.emit("org.user.password.changed", **arguments)
    (event,) = running.wait_for("sdk-secret", 1)
    place = event["source"]
    consumer = Consumer({"bootstrap.servers": running.stack.brokers, "group.id": "tests"})
    consumer.assign([TopicPartition(place["topic"], place["partition"], place["offset"])])
    message = consumer.poll(60)
    assert b"hunter2" not in message.value()
    headers = dict(message.headers())
    consumer.close()
    assert headers["ce_type"] == b"org.user.password.changed"
    assert headers["content-type"] == b"application/avro"
    assert headers["ce_id"].decode() == event["event_id"]


FIRST = {
    "user": "u-1",
    "actor": "alice@acme.example",
    "impersonator": "sam@support.example",
    "target": "alice@acme.example",
    "event": "user.login",
    "level": "user",
    "ip": "80.67.169.12",
    "country": "FR",
    "outcome": "success",
    "request_id": "req-first",
    "session_id": "session-first",
    "q": "MOREAU",
}
FORGED = {
    "user": "victim@x",
    "actor": "mallory@x",
    "impersonator": "eve@x",
    "target": "u-13",
    "event": "org.user.*",
    "level": "organization",
    "ip": "8.8.8.8",
    "country": "US",
    "outcome": "denied",
    "request_id": "req-forged",
    "session_id": "session-forged",
    "q": "mallory",
}
FORMATS = ("csv", "jsonl", "parquet")
# What the tests' own reading was recorded as is not what they are about.
OTHERS = {"exclude_event": "org.audit-log.*"}


@pytest.fixture(scope="module")
def forged(running):
    """An event, a later record with its key and other content, and an event of the day before."""
    first = record(
        org_id="forged",
        actor={"type": "user", "id": "u-1", "email": FIRST["actor"], "name": "Alice Moreau"},
        impersonator={"type": "support", "id": "s-1", "email": FIRST["impersonator"], "name": ""},
    )
    first["context"] |= {name: FIRST[name] for name in ("ip", "request_id", "session_id")}
    second = first | {
        "event": "org.user.deleted",
        "actor": {"type": "user", "id": "u-666", "email": "mallory@x", "name": "Mallory"},
        "impersonator": {
            "type": "support",
            "id": "s-6",
            "email": FORGED["impersonator"],
            "name": "",
        },
        "targets": [{"type": "user", "id": "u-13", "email": "victim@x", "name": "Victim"}],
        "outcome": FORGED["outcome"],
    }
    second["context"] = first["context"] | {
        name: FORGED[name] for name in ("ip", "request_id", "session_id")
    }
    for item in (first, second):
        running.raw.send(encode(current_schema(), item), b"forged")
    earlier = first | {"event_id": str(new_event_id()), "occurred_at": NOW - timedelta(days=1)}
    running.raw.send(encode(current_schema(), earlier), b"forged")
    running.wait_for("forged", 2)
    # A merge may have left one of the two rows already. Whoever acted in the other one stays.
    person = "SELECT 1 FROM audit.people WHERE org_id = 'forged' AND id = {id:String}"
    eventually(lambda: running.sql(person, id=second["actor"]["id"]))
    return first["event_id"]


@pytest.mark.parametrize("name", FIRST)
def test_of_two_records_with_one_key_the_first_is_shown_under_every_filter(running, forged, name):
    shown = running.events("forged", **OTHERS, **{name: FIRST[name]})
    assert [e["actor"]["email"] for e in shown] == [FIRST["actor"]] * 2
    assert running.events("forged", **OTHERS, **{name: FORGED[name]}) == []
    for suffix, (value, count) in product(FORMATS, ((FIRST[name], 2), (FORGED[name], 0))):
        assert actors(running, suffix, **{name: value}) == [FIRST["actor"]] * count
    link = "/v1/orgs/forged/summary"
    summary = running.get(link, org="forged", **OTHERS, **{name: FIRST[name]}).json()
    assert (summary["total"], summary["actors"][0]["email"]) == (2, FIRST["actor"])
    none = running.get(link, org="forged", **OTHERS, **{name: FORGED[name]}).json()
    assert (none["total"], none["actors"]) == (0, [])


def actors(running, suffix, **filters):
    """The actors' emails that an export holds, as its own format's reader finds them."""
    link = f"/v1/orgs/forged/events/export.{suffix}"
    answer = running.get(link, org="forged", **OTHERS, **filters)
    assert answer.status_code == 200, answer.text
    if suffix == "csv":
        rows = csv.DictReader(io.StringIO(answer.text, newline=""))
        return [row["actor_email"] for row in rows]
    if suffix == "jsonl":
        return [json.loads(line)["actor"]["email"] for line in answer.text.splitlines()]
    return [row["actor"]["email"] for row in parquet(answer.content)]


def test_the_filters_above_are_all_there_are():
    known = {f.name for f in FILTERS if not f.negated}
    assert set(FIRST) == set(FORGED) == known


def test_of_two_records_the_second_is_not_shown_by_excluding_the_first(running, forged):
    shown = running.events("forged", exclude_event="user.login", limit=1000)
    assert shown == []
    assert len(running.events("forged", exclude_event="org.user.*", limit=1000)) == 2


def test_the_first_is_shown_by_itself_and_to_analysts(running, forged):
    one = running.get(f"/v1/orgs/forged/events/{forged}", org="forged").json()
    assert one["actor"]["email"] == "alice@acme.example"
    rows = running.sql(
        "SELECT DISTINCT actor_email FROM audit.events"
        " WHERE org_id = 'forged' AND event NOT LIKE 'org.audit-log.%'"
    )
    assert list(rows) == [("alice@acme.example",)]


def test_an_id_sent_again_with_another_time_does_not_take_the_firsts_place(running):
    org = "again"
    first = record(org_id=org)
    earlier = first | {"occurred_at": first["occurred_at"] - timedelta(milliseconds=1)}
    earlier["actor"] = {"type": "user", "id": "u-666", "email": "mallory@x", "name": "Mallory"}
    running.raw.send(encode(current_schema(), first), org.encode())
    running.wait_for(org, 1)
    running.raw.send(encode(current_schema(), earlier), org.encode())
    assert len(running.wait_for(org, 2)) == 2
    address = f"/v1/orgs/{org}/events/{first['event_id']}"
    one = running.get(address, org=org).json()
    assert one["actor"]["email"] == first["actor"]["email"]
    for item in (first, earlier):
        whole = running.get(address, org=org, occurred_at=item["occurred_at"].isoformat()).json()
        assert whole["actor"]["email"] == item["actor"]["email"]
    never = first["occurred_at"] - timedelta(days=1)
    assert running.get(address, org=org, occurred_at=never.isoformat()).status_code == 404
    assert running.get(address, org=org, occurred_at="yesterday").status_code == 400


def test_whoever_occurs_only_in_a_copy_that_lost_is_nobody(running):
    """Nor is a name that only such a copy gives them."""
    org = "losers"
    first = record(org_id=org)
    ghost = {"type": "user", "id": "u-666", "email": "ghost@losers.example", "name": "Ghost"}
    renamed = first["actor"] | {"name": "Mallory"}
    running.raw.send(encode(current_schema(), first), org.encode())
    running.wait_for(org, 1)
    for actor in (ghost, renamed):
        copy = first | {"actor": actor}
        running.raw.send(encode(current_schema(), copy), org.encode())
    running.raw.send(datum(org_id=org, actor=first["actor"]), org.encode())
    running.wait_for(org, 2)
    people = "SELECT name FROM audit.people WHERE org_id = 'losers'"
    eventually(lambda: {("Ghost",), ("Mallory",)} <= {*map(tuple, running.sql(people))})
    found = running.get(f"/v1/orgs/{org}/people", org=org).json()
    assert [person["name"] for person in found if person["email"]] == [first["actor"]["name"]]


def dlq(running, *arguments, **env):
    return orgtrail("dlq", *arguments, env=running.stack.environment() | env)


def set_aside(running, reason, org):
    """Send a record that is set aside for this reason."""
    running.raw.send(BAD[reason], org.encode(), headers=[("ce_id", b"1")])
    sql = f"SELECT 1 FROM audit.dead_letters WHERE org_id = '{org}'"
    eventually(lambda: running.sql(sql))


def test_dlq_list_shows_them(running):
    set_aside(running, "malformed", "listed")
    done = dlq(running, "list", "--reason", "malformed")
    lines = done.stdout.splitlines()
    assert lines[0].split("\t")[:3] == ["location", "set_aside_at", "reason"]
    assert {line.split("\t")[2] for line in lines[1:]} == {"malformed"}
    assert "dead letters" in done.stderr
    future = dlq(running, "list", "--since", "2100-01-01T00:00:00")
    assert future.stdout.count("\n") == 1


def test_dlq_show_shows_one_whole(running):
    set_aside(running, "unknown_framing", "shown")
    lines = dlq(running, "list", "--reason", "unknown_framing").stdout.splitlines()
    (listed,) = [line for line in lines if "\t'shown'\t" in line]
    shown = dlq(running, "show", listed.split("\t")[0]).stdout
    assert f"value\t{BAD['unknown_framing'].hex()}" in shown
    assert "header\tce_id\tb'1'" in shown
    missing = dlq(running, "show", "0/999999")
    assert (missing.returncode, missing.stderr.count("\n")) == (1, 1)


def test_what_a_newer_schema_wrote_is_stored_after_the_consumer_learned_it(running, tmp_path):
    """Set aside as unknown, then replayed to a consumer that was given the schema."""
    definition = current_schema().definition
    later = {"name": "later", "type": ["null", "string"], "default": None}
    newer = EventSchema(definition | {"fields": [*definition["fields"], later]})
    value = encode(newer, record(org_id="newer") | {"later": "x"})
    running.raw.send(value, b"newer")
    eventually(lambda: running.sql("SELECT 1 FROM audit.dead_letters WHERE org_id = 'newer'"))
    counted = dlq(running, "replay", "--reason", "unknown_schema", "--dry-run")
    assert "would be replayed" in counted.stdout

    (tmp_path / "newer.avsc").write_text(json.dumps(newer.definition))
    running.stack.consumer.stop()
    running.stack.start_consumer({"ORGTRAIL_SCHEMA_DIR": str(tmp_path)})
    for _ in range(2):
        assert dlq(running, "replay", "--reason", "unknown_schema").returncode == 0
    (event,) = running.wait_for("newer", 1)
    assert event["schema_fingerprint"] == newer.fingerprint
    running.stack.consumer.stop()
    running.stack.start_consumer()


def test_confluent_framing_is_read_where_a_registry_is_configured(running):
    """A known id is stored, an unknown one set aside; without a registry both would be."""
    org = b"confluent"
    item = record(org_id="confluent")
    with registry() as address:
        running.stack.consumer.stop()
        running.stack.start_consumer({"ORGTRAIL_SCHEMA_REGISTRY_URL": address})
        running.raw.send(encode_confluent(current_schema(), 99, record(org_id="confluent")), org)
        running.raw.send(encode_confluent(current_schema(), REGISTRY_ID, item), org)
        (event,) = running.wait_for("confluent", 1)
        assert event["event_id"] == item["event_id"]
        assert counted(running, "confluent") == 1
        running.stack.consumer.stop()
    running.stack.start_consumer()


def test_headers_that_look_like_ours_hide_nothing(running):
    """Whoever sends them must not decide what an operator sees, or whether anything is seen."""
    headers = [("orgtrail-detail", None), ("orgtrail-reason", b"\xff"), ("null", None)]
    place = running.raw.send(b"hostile headers", b"hostile", headers=headers)
    source = "/".join(map(str, place))

    def listed():
        done = dlq(running, "list", "--reason", "unknown_framing")
        assert done.returncode == 0, done.stderr
        return [line for line in done.stdout.splitlines() if f"/{source}/" in line]

    (line,) = eventually(listed)
    shown = dlq(running, "show", line.split("\t")[0]).stdout
    assert "header\torgtrail-detail\tNone" in shown
    assert "header\torgtrail-reason\tb'\\xff'" in shown
    assert "header\tnull\tNone" in shown


def test_a_wrong_reason_is_one_line(running):
    done = dlq(running, "list", "--reason", "nonsense")
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "Traceback" not in done.stderr
