"""A W3C traceparent is sent on only when it is valid."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orgtrail.request.traceparent import NONE, validated

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
VALID = f"00-{TRACE}-{SPAN}-01"


@pytest.mark.parametrize(
    ("value", "sent"),
    [
        (VALID, VALID),
        (f" {VALID}\t", VALID),
        (VALID.encode(), VALID),
        (f"00-{TRACE}-{SPAN}-ff", f"00-{TRACE}-{SPAN}-ff"),
        (f"cc-{TRACE}-{SPAN}-01", VALID),
        (f"cc-{TRACE}-{SPAN}-03-what-the-future", VALID),
        (f"01-{TRACE}-{SPAN}-02-", f"00-{TRACE}-{SPAN}-00"),
    ],
)
def test_what_is_valid(value, sent):
    assert validated(value) == (sent, TRACE)


@pytest.mark.parametrize(
    "value",
    [
        "",
        None,
        5,
        b"\xff",
        VALID.upper(),
        f"{VALID}-more",
        f"{VALID}x",
        f"{VALID}\n",
        f"ff-{TRACE}-{SPAN}-01",
        f"cc-{TRACE}-{SPAN}-01what",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE[1:]}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}",
        f"0-{TRACE}-{SPAN}-01",
        f"00_{TRACE}_{SPAN}_01",
        f"00-{TRACE[:-1]}٣-{SPAN}-01",
        f"cc-{TRACE}-{SPAN}-01-" + "x" * 1_000_000,
    ],
)
def test_what_is_not(value):
    assert validated(value) == NONE


@given(st.one_of(st.text(), st.binary(), st.from_regex(r"[0-9a-f]{2}-[0-9a-f]{32}-.*")))
def test_it_never_raises_and_what_it_sends_is_valid(value):
    sent, trace_id = validated(value)
    if sent:
        assert re.fullmatch(f"00-{trace_id}-[0-9a-f]{{16}}-[0-9a-f]{{2}}", sent)
        assert validated(sent) == (sent, trace_id)
