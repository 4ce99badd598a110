"""Documents that are made from data are those of today; settings and filters are in the docs."""

import re
from pathlib import Path

import pytest

from orgtrail_deploy.documents import CHART_FILES, DOCS, chart_files, documents


@pytest.mark.parametrize("name", documents())
def test_a_made_document_is_up_to_date(name):
    assert (DOCS / name).read_text("utf-8") == documents()[name], "run: make docs"


def test_every_setting_is_explained():
    assert "| None |" not in documents()["settings.md"]


TESTS = Path(__file__).parents[1]
FOLDERS = (TESTS.parent, TESTS / "attack", TESTS / "unit" / "consumers")


@pytest.mark.parametrize(
    "name",
    sorted(set(re.findall(r"`([\w/]+\.py)`", (DOCS / "security-tests.md").read_text("utf-8")))),
)
def test_a_security_test_that_is_named_exists(name):
    assert [folder for folder in FOLDERS if (folder / name).is_file()]


@pytest.mark.parametrize("name", chart_files())
def test_what_the_chart_knows_is_up_to_date(name):
    assert (CHART_FILES / name).read_text("utf-8") == chart_files()[name], "run: make docs"
