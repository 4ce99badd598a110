"""Quoted text stays one token of ClickHouse's SQL, whatever it contains."""

import re

import pytest

from orgtrail_schemas.sql import array, identifier, string

TEXTS = ["", "plain", "it's", "\\", "\\'", "'; DROP TABLE x; --", "`", "\\`", "a\\", "ü\n"]


@pytest.mark.parametrize(("quote", "mark"), [(string, "'"), (identifier, "`")])
@pytest.mark.parametrize("text", TEXTS)
def test_quoted_text_is_one_token_that_reads_back(quote, mark, text):
    quoted = quote(text)
    assert re.fullmatch(rf"{mark}(?:[^\\{mark}]|\\.)*{mark}", quoted, re.DOTALL)
    assert re.sub(r"\\(.)", r"\1", quoted[1:-1], flags=re.DOTALL) == text


@pytest.mark.parametrize(
    ("texts", "expected"), [([], "[]"), (["a"], "['a']"), (["a", "b'"], "['a', 'b\\'']")]
)
def test_an_array_quotes_each_text(texts, expected):
    assert array(texts) == expected
    assert array(iter(texts)) == expected
