"""Documents that are made from data are those of today; settings and filters are in the docs."""

import pytest

from orgtrail_deploy.documents import DOCS, documents


@pytest.mark.parametrize("name", documents())
def test_a_made_document_is_up_to_date(name):
    assert (DOCS / name).read_text("utf-8") == documents()[name], "run: make docs"


def test_every_setting_is_explained():
    assert "| None |" not in documents()["settings.md"]
