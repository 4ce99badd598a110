from unittest.mock import Mock

import pytest
from litestar.testing import AsyncTestClient
from tests.support.query_parts import NOW, SETTINGS, FakeDatabase, fake_parts

from orgtrail_query_service.api.export import _file_name
from orgtrail_query_service.app import make_app
from orgtrail_query_service.problems import too_expensive
from orgtrail_query_service.reads.export_formats import DEFAULT, FORMATS
from orgtrail_query_service.reads.search import parse_search

EXPORT = "/v1/orgs/acme/events/export"


class Database(FakeDatabase):
    """Exports in two chunks; ``broken`` fails before the first."""

    broken, closed = False, 0

    async def stream(self, statement, counted_for, silence_s, *, gzip):
        self.asked.append(statement)
        if self.broken:
            raise too_expensive()
        try:
            yield b"gzipped" if gzip else b"event_id\n"
            yield b"1\n"
        finally:
            self.closed += 1


@pytest.fixture
def database():
    return Database()


@pytest.fixture
async def get(database, audit):
    async with AsyncTestClient(make_app(SETTINGS, fake_parts(database))) as client:

        async def ask(address, **headers):
            given = {"Authorization": "Bearer acme", "Accept-Encoding": "identity"}
            return await client.get(address, headers=given | headers)

        yield ask


@pytest.mark.parametrize(
    ("accept", "suffix"),
    [
        ("*/*", "csv"),
        ("text/*", "csv"),
        ("text/csv; charset=utf-8", "csv"),
        ("text/html, */*;q=0.1", "csv"),
        ("application/jsonl", "jsonl"),
        ("text/csv;q=0.1, application/jsonl", "jsonl"),
        ("application/vnd.apache.parquet", "parquet"),
    ],
)
async def test_the_accept_header_selects_the_format(get, database, accept, suffix):
    answer = await get(EXPORT, Accept=accept)
    assert answer.headers["content-type"].partition(";")[0] == FORMATS[suffix].media_type
    assert database.asked[-1].sql.endswith(f"FORMAT {FORMATS[suffix].clickhouse}")
    assert answer.headers["content-disposition"].endswith(f'.{suffix}"')
    assert answer.headers["vary"] == "Accept, Accept-Encoding"


@pytest.mark.parametrize("accept", ["text/html", "image/*", "garbage"])
async def test_other_formats_are_refused_with_the_ones_there_are(get, audit, accept):
    answer = await get(EXPORT, Accept=accept)
    assert answer.status_code == 406
    assert all(file.media_type in answer.json()["detail"] for file in FORMATS.values())
    assert audit.events == []


async def test_a_format_that_is_not_made_does_not_tell_organizations_apart(get):
    for org in ("globex", "initech"):
        address = f"/v1/orgs/{org}/events/export"
        assert (await get(address, Accept="text/html")).status_code == 404


@pytest.mark.parametrize(
    ("query", "begins"),
    [
        ("", b"event_id"),
        ("?bom=", b"event_id"),
        ("?bom=false", b"event_id"),
        ("?bom=true", b"\xef\xbb\xbf"),
    ],
)
async def test_a_byte_order_mark_is_added_when_asked_for(get, audit, query, begins):
    answer = await get(f"{EXPORT}.csv{query}")
    assert answer.content.startswith(begins)
    assert answer.content.endswith(b"event_id\n1\n")
    assert "bom" not in audit.events[-1].metadata["filters"]


@pytest.mark.parametrize("address", [".csv?bom=yes", ".csv?bom=true&bom=true", ".jsonl?bom=true", ".parquet?bom=false"])  # fmt: skip
async def test_a_byte_order_mark_that_cannot_be_is_refused(get, database, audit, address):
    answer = await get(EXPORT + address)
    assert (answer.status_code, answer.json()["detail"][:4]) == (400, "bom:")
    assert (database.asked, audit.events) == ([], [])


@pytest.mark.parametrize(
    "parameter", ["limit=5", "order=oldest", "cursor=x", "nothing=1", "since=no"]
)
async def test_what_a_file_cannot_have_is_refused(get, audit, parameter):
    answer = await get(f"{EXPORT}.csv?{parameter}")
    assert (answer.status_code, audit.events) == (400, [])


@pytest.mark.parametrize(
    ("encoding", "query", "expected"),
    [
        ("gzip", "", "gzip"),
        ("deflate, gzip;q=0.5", "", "gzip"),
        ("identity", "", None),
        ("", "", None),
        ("gzip", "?bom=true", None),
        ("gzip;q=0", "", None),
        ("gzip; q=0.0, *", "", None),
        ("*", "", "gzip"),
        ("*;q=0", "", None),
        ("x-gzip", "", None),
        ("GZIP;q=1.000", "", "gzip"),
        ("gzip;q=high", "", None),
    ],
)
async def test_a_file_is_compressed_for_who_takes_it(get, monkeypatch, encoding, query, expected):
    # The fake's bytes are not compressed: httpx must not expand them.
    monkeypatch.setattr("httpx._models.SUPPORTED_DECODERS", {})
    answer = await get(f"{EXPORT}.csv{query}", **{"Accept-Encoding": encoding})
    assert answer.headers.get("content-encoding") == expected
    assert answer.content.startswith(b"gzipped") == (expected == "gzip")


@pytest.mark.parametrize(
    ("through", "header"), [(None, ""), (NOW.replace(tzinfo=None), "2026-11-23T12:00:00.000Z")]
)
async def test_headers_say_how_complete_the_file_is(get, database, through, header):
    database.answers["audit.ingest_progress"] = [(through,)]
    database.answers["audit.dead_letters"] = [(3,)]
    headers = (await get(f"{EXPORT}.csv")).headers
    assert headers["orgtrail-settled-through"] == header
    assert headers["orgtrail-set-aside"] == "3"


async def test_an_error_before_the_first_byte_has_an_answer_of_its_own(get, database, audit):
    database.broken = True
    answer = await get(f"{EXPORT}.csv")
    assert (answer.status_code, answer.json()["type"]) == (
        422,
        "urn:orgtrail:problem:too-expensive",
    )
    assert audit.events == []


async def test_a_refused_export_ends_its_query(get, database, monkeypatch):
    refused = Mock(side_effect=too_expensive())
    monkeypatch.setattr("orgtrail_query_service.self_audit.SelfAudit.exported", refused)
    assert (await get(f"{EXPORT}.csv")).status_code == 422
    assert database.closed == 1


@pytest.mark.parametrize(
    "org", ['a"; x="', "a\r\nb: c", "a/../b", "ünïcode", "a:b@c", "\u0661"], ids=ascii
)
def test_the_name_of_a_file_is_safe_in_a_header(org):
    search = parse_search([("since", "2026-11-01T00:00:00Z")], NOW, paged=False)
    name = _file_name(org, search, DEFAULT)
    assert name.startswith("audit-log-")
    assert name.endswith("-20261101-20261123.csv")
    assert set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789._-")
