"""The page's form has a field for every filter: one that is missing is dropped at the next Apply."""

from __future__ import annotations

from datetime import UTC, datetime
from html.parser import HTMLParser
from types import SimpleNamespace

import pytest

from orgtrail_query_service.app import templates
from orgtrail_query_service.page.address import read_view
from orgtrail_query_service.page.days import PRESETS
from orgtrail_query_service.page.routes import form_context
from orgtrail_query_service.reads.export_formats import FORMATS
from orgtrail_query_service.reads.filters import FILTERS

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


class Form(HTMLParser):
    """What a browser would send if somebody pressed Apply."""

    def __init__(self, page):
        super().__init__()
        self.sent, self.links, self._select = set(), [], None
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        match tag:
            case "input" if given.get("name") and (
                "checked" in given or given.get("type") != "checkbox"
            ):
                self.sent.add((given["name"], given.get("value", "")))
            case "select":
                self._select = given["name"]
            case "option" if "selected" in given:
                self.sent.add((self._select, given["value"]))
            case "a":
                self.links.append(given.get("href", ""))


def page(parameters):
    view = read_view("", "acme", parameters, NOW)
    settled = SimpleNamespace(settled_through=None, set_aside=0)
    return templates("").engine.get_template("table.html").render(
        org="acme", view=view, days=view.days, zone=view.days.zone, now=NOW, clamped=False,
        presets=PRESETS, retention=90, settled=settled, page=SimpleNamespace(events=[]),
        search=view.search, older=None, first=None, advice=None, live=None,
        request=SimpleNamespace(scope={}), csrf_input="",
        **form_context(view),
    )  # fmt: skip


@pytest.mark.parametrize("filter_", FILTERS, ids=lambda f: f.name)
def test_apply_keeps_every_filter(filter_):
    value = filter_.choices[0] if filter_.choices else filter_.example
    assert (filter_.name, value) in Form(page([(filter_.name, value)])).sent


def test_a_filter_that_is_set_is_visible():
    for filter_ in FILTERS:
        value = filter_.choices[0] if filter_.choices else filter_.example
        opened = '<details class="more" open>' in page([(filter_.name, value)])
        assert opened != filter_.main, filter_.name


def test_every_export_format_has_a_link():
    links = Form(page([])).links
    for suffix in FORMATS:
        assert any(f"export.{suffix}?" in link for link in links), suffix
