import json

import httpx
import pytest
from confluent_kafka import schema_registry
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient
from confluent_kafka.schema_registry.error import SchemaRegistryError

from orgtrail_consumers.settings import ConsumerSettings
from orgtrail_consumers.steps.registry import RegistryUnavailableError, schema_finder
from orgtrail_schemas.codec import Frame
from orgtrail_schemas.event_schema import EventSchema, current_schema

URL = "mock://test"


@pytest.fixture
def client(monkeypatch):
    """The library's own registry in memory, which every client of its address shares."""
    made = SchemaRegistryClient.new_client({"url": URL})
    monkeypatch.setattr(schema_registry, "SchemaRegistryClient", lambda _conf: made)
    return made


def find(frame, **settings):
    return schema_finder(ConsumerSettings(**settings))(frame)


def test_our_own_versions_are_known_by_fingerprint():
    assert find(Frame(current_schema().fingerprint, None, 10)) is not None
    assert find(Frame("0" * 16, None, 10)) is None


def test_a_directory_teaches_further_schemas(tmp_path):
    definition = current_schema().definition | {"name": "Later"}
    later = EventSchema(definition)
    (tmp_path / "later.avsc").write_text(json.dumps(definition))
    assert find(Frame(later.fingerprint, None, 10), schema_dir=tmp_path) is not None


def test_a_registry_is_asked_by_id(client):
    text = json.dumps(current_schema().definition)
    number = client.register_schema("audit", Schema(text, "AVRO"))
    found = find(Frame(None, number, 5), schema_registry_url=URL)
    assert found.fingerprint == current_schema().fingerprint


def test_without_a_registry_its_ids_are_unknown():
    assert find(Frame(None, 1, 5)) is None


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (SchemaRegistryError(404, 40403, "not found"), None),
        (SchemaRegistryError(500, 50001, "down"), RegistryUnavailableError),
        (ConnectionError("refused"), RegistryUnavailableError),
        (httpx.ConnectError("refused"), RegistryUnavailableError),
    ],
)
def test_not_found_is_a_verdict_and_an_outage_is_not(client, monkeypatch, error, outcome):
    def fail(_number):
        raise error

    monkeypatch.setattr(client, "get_schema", fail)
    if outcome is None:
        assert find(Frame(None, 1, 5), schema_registry_url=URL) is None
    else:
        with pytest.raises(outcome):
            find(Frame(None, 1, 5), schema_registry_url=URL)


@pytest.mark.parametrize("text", ["", 'syntax = "proto3";', "{}", '"string"', '{"type": "nope"}'])
def test_what_is_no_avro_record_is_unknown(client, monkeypatch, text):
    monkeypatch.setattr(client, "get_schema", lambda _number: Schema(text, "AVRO"))
    assert find(Frame(None, 1, 5), schema_registry_url=URL) is None
