from html.parser import HTMLParser

import pytest
from litestar.testing import AsyncTestClient
from tests.support.query_parts import SETTINGS, FakeDatabase, fake_parts

from orgtrail_query_service.app import make_app
from orgtrail_query_service.reads.export_formats import FORMATS
from orgtrail_query_service.reads.filters import FILTERS


class Tags(HTMLParser):
    def __init__(self, page):
        super().__init__()
        self.addresses, self.text = [], ""
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.addresses += [v for k, v in attributes if k in ("src", "href", "action")]

    def handle_data(self, data):
        self.text += data


@pytest.fixture
async def page():
    async with AsyncTestClient(make_app(SETTINGS, fake_parts(FakeDatabase()))) as client:
        answer = await client.get("/docs")
    assert answer.status_code == 200
    return Tags(answer.text)


async def test_nobody_needs_to_be_signed_in_and_every_route_is_described(page):
    for path in ("/events", "/events/{event_id}", "/summary", "/people", "/events/export"):
        assert f"GET /v1/orgs/{{org}}{path}\n" in page.text, path
    for suffix in FORMATS:
        assert f"/events/export.{suffix}" in page.text


async def test_every_filter_is_described_with_its_choices(page):
    for filter_ in FILTERS:
        assert filter_.sentence in page.text, filter_.name
        assert all(choice in page.text for choice in filter_.choices)


async def test_nothing_foreign_is_loaded(page):
    assert page.addresses
    assert all(a.startswith("/") and not a.startswith("//") for a in page.addresses if a[0] != "#")
