import hashlib

import pytest
from litestar.testing import AsyncTestClient
from tests.support.query_parts import SETTINGS, FakeDatabase, fake_parts

from orgtrail_query_service.app import make_app
from orgtrail_query_service.page import assets
from orgtrail_query_service.page.assets import address_of

NAMES = sorted(path.name for path in assets._FOLDER.iterdir())


@pytest.fixture
async def client():
    async with AsyncTestClient(make_app(SETTINGS, fake_parts(FakeDatabase()))) as made:
        yield made


@pytest.mark.parametrize("name", NAMES)
async def test_a_file_is_served_whole_and_kept_for_good_without_a_sign_in(client, name):
    answer = await client.get(address_of("", name))
    content = (assets._FOLDER / name).read_bytes()
    assert (answer.status_code, answer.content) == (200, content)
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert hashlib.sha256(content).hexdigest()[:16] in address_of("", name)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("orgtrail.js", "text/javascript"),
        ("orgtrail.css", "text/css"),
        ("icon.svg", "image/svg+xml"),
    ],
)
async def test_browsers_are_told_the_kind_that_nosniff_demands(client, name, kind):
    answer = await client.get(address_of("", name))
    assert (
        answer.headers["content-type"] == kind
        if kind.startswith("image/")
        else f"{kind}; charset=utf-8"
    )
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    "path",
    [
        "/static/0000000000000000/orgtrail.js",
        "/static/0000000000000000/nothing.js",
        "/static/0000000000000000/assets.py",
        "/static/0000000000000000/..%2Fassets.py",
        "/static/0000000000000000/%2E%2E%2Froutes.py",
        "/static/x/%00",
        "/static/orgtrail.js",
    ],
)
async def test_another_address_is_not_found_and_not_cached(client, path):
    answer = await client.get(path)
    assert answer.status_code == 404
    assert answer.headers["cache-control"] == "no-store"


async def test_the_digest_of_one_file_does_not_open_another(client):
    address = address_of("", "orgtrail.js").replace("orgtrail.js", "orgtrail.css")
    assert (await client.get(address)).status_code == 404


def test_another_content_has_another_address(monkeypatch, tmp_path):
    monkeypatch.setattr(assets, "_FOLDER", tmp_path)
    monkeypatch.setattr(assets, "_files", assets._files.__wrapped__)
    found = set()
    for content in ("a", "b"):
        (tmp_path / "a.js").write_text(content)
        found.add(address_of("", "a.js"))
    assert len(found) == 2


def test_a_file_that_is_not_there_fails_loudly():
    with pytest.raises(KeyError):
        address_of("", "nothing.js")
