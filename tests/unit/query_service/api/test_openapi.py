import pytest
from litestar.testing import AsyncTestClient
from tests.support.query_parts import NOW, SETTINGS, FakeDatabase, fake_parts

from orgtrail_query_service.api.openapi import PAGING, SEARCH
from orgtrail_query_service.app import make_app
from orgtrail_query_service.problems import Problem
from orgtrail_query_service.reads.export_formats import FORMATS
from orgtrail_query_service.reads.feed import parse_feed
from orgtrail_query_service.reads.filters import FILTERS
from orgtrail_query_service.reads.search import parse_search

ORG = "/v1/orgs/{org}"
EXPORTS = [f"{ORG}/events/export", *(f"{ORG}/events/export.{suffix}" for suffix in FORMATS)]


@pytest.fixture(scope="module")
async def described():
    async with AsyncTestClient(make_app(SETTINGS, fake_parts(FakeDatabase()))) as client:
        return (await client.get("/schema/openapi.json")).json()


def names(described, path):
    return [p["name"] for p in described["paths"][path]["get"]["parameters"] if p["in"] == "query"]


async def test_only_the_api_is_described(described):
    assert set(described["paths"]) == {
        "/v1/event-types", f"{ORG}/events", f"{ORG}/events/{{event_id}}", f"{ORG}/summary", f"{ORG}/people", f"{ORG}/set-aside", *EXPORTS,
    }  # fmt: skip
    assert {method for item in described["paths"].values() for method in item} == {"get"}


async def test_every_read_lists_the_parameters_that_it_takes(described):
    search = [*(f.name for f in FILTERS), "since", "until"]
    assert names(described, f"{ORG}/events") == [
        *search, "order", "limit", "cursor", "received_since",
    ]  # fmt: skip
    assert names(described, f"{ORG}/summary") == search
    assert names(described, f"{ORG}/people") == ["prefix"]
    assert names(described, f"{ORG}/set-aside") == ["since"]
    for path in EXPORTS:
        marks = ["bom"] if path.endswith(("export", "csv")) else []
        assert names(described, path) == [*search, *marks], path


@pytest.mark.parametrize(
    "parameter", [p for p in SEARCH + PAGING if p.name != "cursor"], ids=lambda p: p.name
)
def test_examples_choices_and_bounds_are_what_the_parser_takes(parameter):
    def parse(*values):
        since = [] if parameter.name == "since" else [("since", "2026-11-22T00:00:00Z")]
        given = [(parameter.name, str(v)) for v in values]
        if parameter.name == "received_since" or given == [("order", "received")]:
            return parse_feed(given, NOW)
        return parse_search(given + since, NOW)

    schema = parameter.schema
    examples = parameter.example if isinstance(parameter.example, list) else [parameter.example]
    parse(*examples)
    for choice in schema.enum or []:
        parse(choice)
    if schema.maximum:
        parse(schema.maximum)
        for bad in (schema.minimum - 1, schema.maximum + 1):
            with pytest.raises(Problem):
                parse(bad)
    if schema.max_items:
        parse(*(several(parameter, n) for n in range(schema.max_items)))
        with pytest.raises(Problem):
            parse(*(several(parameter, n) for n in range(schema.max_items + 1)))
    value = schema.items or schema
    if value.max_length:
        with pytest.raises(Problem):
            parse("a" * (value.max_length + 1))


def several(parameter, number):
    """A value of its own for each number."""
    return f"203.0.113.{number}" if parameter.name == "ip" else f"a{number}"


async def test_every_route_has_its_problems_in_their_media_type(described):
    for path, item in described["paths"].items():
        answers = item["get"]["responses"]
        expected = {"200", "400", "401", "404", "422", "429", "503"}
        assert set(answers) == expected | ({"406"} if path == EXPORTS[0] else set()), path
        for status in set(answers) - {"200"}:
            assert list(answers[status]["content"]) == ["application/problem+json"], (path, status)


async def test_an_export_has_its_media_types_and_headers(described):
    media = [file.media_type for file in FORMATS.values()]
    for path, expected in zip(EXPORTS, [media, *([one] for one in media)], strict=True):
        answer = described["paths"][path]["get"]["responses"]["200"]
        assert list(answer["content"]) == expected
        assert set(answer["headers"]) == {
            "Content-Disposition", "Orgtrail-Settled-Through", "Orgtrail-Set-Aside",
        }  # fmt: skip


async def test_a_bearer_token_is_required(described):
    assert described["security"] == [{"bearer": []}]
    assert described["components"]["securitySchemes"]["bearer"]["scheme"] == "bearer"
