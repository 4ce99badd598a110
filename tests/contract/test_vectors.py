"""The published test vectors, recomputed with fastavro and with Apache Avro's own package."""

import io
import json

import avro.io
import avro.schema
import fastavro
import pytest
from confluent_kafka import Producer
from fastavro.schema import to_parsing_canonical_form
from tests.support.batches import decode
from tests.support.vectors import FOLDER, build, headers, named_events, text

from orgtrail_schemas.codec import SINGLE_OBJECT_HEADER, decode_datum, read_frame
from orgtrail_schemas.event_schema import current_schema, event_schemas, schemas_by_fingerprint
from orgtrail_schemas.wire import ALIASES

VERSIONS = list(enumerate(event_schemas(), 1))
FILES = {number: json.loads((FOLDER / f"v{number}.json").read_text()) for number, _ in VERSIONS}


def cases(*lists):
    """One parameter set for each vector of each version."""
    return [
        pytest.param(schema, vector, id=f"v{number} {vector['name']}")
        for number, schema in VERSIONS
        for name in lists
        for vector in FILES[number][name]
    ]


def datum_of(vector):
    return bytes.fromhex(vector["value_hex"])[SINGLE_OBJECT_HEADER:]


def test_each_released_schema_has_its_file_and_nothing_else_is_there():
    assert {path.name for path in FOLDER.iterdir()} == {f"v{number}.json" for number in FILES}


@pytest.mark.parametrize(("number", "schema"), VERSIONS)
def test_the_file_is_what_its_generator_writes(number, schema):
    assert (FOLDER / f"v{number}.json").read_text() == text(build(number, schema))


@pytest.mark.parametrize(("number", "schema"), VERSIONS)
def test_the_header_is_that_of_the_schema(number, schema):
    header = bytes.fromhex(FILES[number]["header_hex"])
    assert len(header) == SINGLE_OBJECT_HEADER
    assert header == schema.header
    apache = avro.schema.parse(to_parsing_canonical_form(schema.parsed))
    assert header == b"\xc3\x01" + apache.fingerprint("CRC-64-AVRO")


@pytest.mark.parametrize(("number", "schema"), VERSIONS)
def test_the_fingerprint_that_apache_avro_computes_is_an_alias(number, schema):
    """Apache Avro for Python keeps logicalType in what it takes for the canonical form."""
    computed = avro.schema.parse(json.dumps(schema.definition)).fingerprint("CRC-64-AVRO").hex()
    assert computed in ALIASES[number]


@pytest.mark.parametrize("alias", [alias for aliases in ALIASES.values() for alias in aliases])
def test_a_record_under_an_alias_is_decoded_and_names_the_schema_itself(alias):
    vector = FILES[1]["vectors"][0]
    known = schemas_by_fingerprint()
    value = b"\xc3\x01" + bytes.fromhex(alias) + datum_of(vector)
    decoded = decode([value], lambda frame: known.get(frame.fingerprint))
    assert decoded.rejected == []
    assert decoded.fingerprints.to_pylist() == [event_schemas()[0].fingerprint]


@pytest.mark.parametrize(("schema", "vector"), cases("vectors"))
def test_fastavro_writes_these_bytes(schema, vector):
    out = io.BytesIO()
    fastavro.schemaless_writer(out, schema.plain, vector["event"])
    assert out.getvalue() == datum_of(vector)


@pytest.mark.parametrize(("schema", "vector"), cases("vectors"))
def test_apache_avro_writes_these_bytes(schema, vector):
    out = io.BytesIO()
    writer = avro.io.DatumWriter(avro.schema.parse(schema.plain_json))
    writer.write(vector["event"], avro.io.BinaryEncoder(out))
    assert out.getvalue() == datum_of(vector)


@pytest.mark.parametrize(("schema", "vector"), cases("vectors", "decode_only"))
def test_apache_avro_reads_the_event(schema, vector):
    reader = avro.io.DatumReader(avro.schema.parse(schema.plain_json))
    assert reader.read(avro.io.BinaryDecoder(io.BytesIO(datum_of(vector)))) == vector["event"]


@pytest.mark.parametrize(("schema", "vector"), cases("vectors", "decode_only"))
def test_the_codec_reads_the_event(schema, vector):
    value = bytes.fromhex(vector["value_hex"])
    assert read_frame(value).fingerprint == schema.fingerprint
    assert decode_datum(schema, schema, datum_of(vector)) == vector["event"]


@pytest.mark.parametrize(("schema", "vector"), cases("vectors", "decode_only"))
def test_the_consumer_reads_the_event(schema, vector):
    decoded = decode([bytes.fromhex(vector["value_hex"])], lambda _frame: schema)
    assert decoded.rejected == []
    (event,) = decoded.columns.to_pylist()
    expected = vector["event"] | {"metadata": list(vector["event"]["metadata"].items())}
    assert {name: event[name] for name in expected} == expected


@pytest.mark.parametrize(("schema", "vector"), cases("vectors"))
def test_key_and_headers_follow_from_the_event(schema, vector):
    assert vector["key"] == vector["event"]["org_id"]
    assert vector["headers"] == headers(vector["event"])


def test_librdkafka_chooses_these_partitions():
    placed = {}

    def delivered(error, message):
        assert error is None
        placed[message.key().decode()] = message.partition()

    producer = Producer(
        {"test.mock.num.brokers": 1, "partitioner": "murmur2_random", "log_level": 0}
    )
    vectors = FILES[len(FILES)]["vectors"]
    for vector in vectors:
        producer.produce("vectors", b"", vector["key"].encode(), on_delivery=delivered)
    assert producer.flush(20) == 0
    # librdkafka's mock broker gives a topic 4 partitions; the programs in tests/languages check 12.
    assert placed == {v["key"]: v["partition_of"]["4"] for v in vectors}
    assert len(set(placed.values())) == 4


def test_names_are_unique_and_the_current_version_has_them_all():
    names = [vector["name"] for vector in FILES[len(FILES)]["vectors"]]
    assert names == list(named_events())
    assert VERSIONS[-1][1] is current_schema()
