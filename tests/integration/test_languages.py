"""Any language can emit: programs in Go, Java and JavaScript, from their client to the API."""

import json
from datetime import UTC, datetime
from uuid import UUID

import pytest
from confluent_kafka import Consumer, TopicPartition
from tests.support.events import emit_arguments
from tests.support.languages import LANGUAGES, Program, missing_tools
from tests.support.vectors import FOLDER as VECTORS

from orgtrail_schemas.catalogue import REDACTED, catalogue, examples

SERVICES = [key for key, entry in catalogue().events.items() if not entry.own]
IN_THE_DEFAULT_RUN = "node"
"""The others, whose programs are built first, run with ``make integration``."""
SHARED = [f"any-language-{number}" for number in range(8)]
"""Organizations that every program and the SDK send one event of each."""


@pytest.fixture(
    scope="module",
    params=[
        language
        if language.name == IN_THE_DEFAULT_RUN
        else pytest.param(language, marks=pytest.mark.long)
        for language in LANGUAGES
    ],
    ids=lambda language: language.name,
)
def program(request):
    if missing := missing_tools(request.param):
        pytest.skip(f"{', '.join(missing)} not installed on this machine")
    return Program(request.param)


@pytest.fixture(scope="module")
def sent(running, program):
    """The events of a program's own organization as the API gives them, with their examples."""
    org = f"from-{program.name}"
    lines = [json.dumps(as_documented(key) | {"org_id": org}) for key in SERVICES]
    placed = program.send(running.stack.brokers, lines)
    assert len(placed) == len(SERVICES)
    found = {event["event"]: event for event in running.wait_for(org, len(SERVICES))}
    assert {e["event_id"]: e["source"]["partition"] for e in found.values()} == placed
    return found


def as_documented(key):
    """The example as docs/any-language.md asks for it: the SDK would fill in the target."""
    example = examples()[key]
    if catalogue().events[key].about_actor and not example.get("targets"):
        return example | {"targets": [example["actor"]]}
    return example


def test_it_writes_the_test_vectors(program):
    done = program.check()
    assert (done.returncode, done.stderr.count("differs")) == (0, 0), done.stderr


@pytest.mark.parametrize("field", ["value_hex", "headers", "partition_of"])
def test_it_names_the_vector_that_differs(program, tmp_path, field):
    file = json.loads((VECTORS / "v1.json").read_text())
    vector = file["vectors"][3]
    other = file["vectors"][4][field]
    assert vector[field] != other
    vector[field] = other
    (tmp_path / "wrong.json").write_text(json.dumps(file))
    done = program.check(tmp_path / "wrong.json")
    assert done.returncode == 1
    assert f"differs: {vector['name']}\n" in done.stderr
    assert done.stderr.count("differs") == 1


@pytest.mark.parametrize("key", SERVICES)
def test_an_event_arrives_whole(sent, key):
    event, example, entry = sent[key], as_documented(key), catalogue().events[key]
    assert (event["event_name"], event["level"], event["listed"]) == (entry.name, entry.level, True)
    assert event["outcome"] == "success"
    assert event["actor"] == person(example["actor"])
    assert event["impersonator"] is None
    assert event["targets"] == [person(target) for target in example["targets"]]
    assert event["changes"] == [
        {
            "field": change["field"],
            "old": visible(entry.changes, change["field"], change["old"]),
            "new": visible(entry.changes, change["field"], change["new"]),
        }
        for change in example.get("changes", [])
    ]
    assert event["metadata"] == {
        name: visible(entry.metadata, name, value)
        for name, value in example.get("metadata", {}).items()
    }
    context = {"session_id": "", "trace_id": "", **example["context"]}
    assert {name: event["context"][name] for name in context} == context
    assert (event["context"]["browser"], event["context"]["os"]) == ("Chrome 142", "Linux")
    identity = UUID(event["event_id"])
    assert identity.version == 7
    moment = datetime.fromtimestamp((identity.int >> 80) / 1000, UTC)
    assert datetime.fromisoformat(event["occurred_at"]) == moment


def test_the_record_carries_the_headers_of_cloudevents(running, sent):
    event = sent["user.login"]
    source = event["source"]
    consumer = Consumer({"bootstrap.servers": running.stack.brokers, "group.id": "tests"})
    consumer.assign([TopicPartition(source["topic"], source["partition"], source["offset"])])
    message = consumer.poll(60)
    consumer.close()
    assert message.key().decode() == event["org_id"]
    headers = {name: value.decode() for name, value in message.headers()}
    moment = datetime.fromisoformat(headers.pop("ce_time"))
    assert moment == datetime.fromisoformat(event["occurred_at"])
    assert headers == {
        "ce_specversion": "1.0",
        "ce_id": event["event_id"],
        "ce_type": "user.login",
        "ce_source": "accounts",
        "content-type": "application/avro",
    }


def test_a_retry_is_no_second_event(running, program):
    org = f"retry-{program.name}"
    line = examples()["user.login"] | {"org_id": org}
    (event_id,) = program.send(running.stack.brokers, [json.dumps(line)])
    again = line | {"event_id": event_id}
    last = examples()["user.logout"] | {"org_id": org}
    program.send(running.stack.brokers, [json.dumps(again), json.dumps(last)])
    events = running.wait_for(org, 2)
    assert [e["event"] for e in events] == ["user.logout", "user.login"]
    assert events[1]["event_id"] == event_id


@pytest.mark.long
def test_all_languages_choose_the_same_partition(running):
    programs = [Program(language) for language in LANGUAGES if not missing_tools(language)]
    if not programs:
        pytest.skip("none of go, java and node is installed on this machine")
    lines = [json.dumps(examples()["user.login"] | {"org_id": org}) for org in SHARED]
    for program in programs:
        program.send(running.stack.brokers, lines)
    with running.producer() as producer:
        for org in SHARED:
            producer.emit("user.login", **emit_arguments("user.login") | {"org_id": org})
    chosen = {}
    for org in SHARED:
        events = running.wait_for(org, len(programs) + 1)
        (chosen[org],) = {event["source"]["partition"] for event in events}
    assert len(set(chosen.values())) > 1


def person(given):
    return {"type": "user", "id": "", "email": "", "name": ""} | given


def visible(declared, name, value):
    return REDACTED if declared.get(name) == "secret" and value is not None else value
