"""The limits of an event, at their edges."""

import pytest

from orgtrail_schemas import limits
from orgtrail_schemas.catalogue import catalogue, examples


@pytest.mark.parametrize("key", ["user.login", "a", "org.user.auth.mfa", "a-b_c.d", "1.2"])
def test_an_event_key_is_lower_case_words_with_single_separators(key):
    assert limits.EVENT_KEY.fullmatch(key)


@pytest.mark.parametrize(
    "key", ["", ".a", "a.", "a..b", "a.-b", "User.login", "a b", "a\n", "é", "a/b"]
)
def test_another_event_key_is_refused(key):
    assert not limits.EVENT_KEY.fullmatch(key)


@pytest.mark.parametrize("org_id", ["a", "7", "A1._:@-", "o" * 128])
def test_an_organization_may_have_this_id(org_id):
    assert limits.ORG_ID.fullmatch(org_id)


@pytest.mark.parametrize(
    "org_id", ["", "o" * 129, "-a", "_a", ".", "a b", "a/b", "a\n", "ä", "a'", "a\x00"]
)
def test_an_organization_may_not_have_this_id(org_id):
    assert not limits.ORG_ID.fullmatch(org_id)


def test_every_event_of_the_catalogue_keeps_the_rules():
    for key in catalogue().events:
        assert limits.EVENT_KEY.fullmatch(key)
        assert len(key) <= limits.EVENT_LENGTH
    for example in examples().values():
        assert limits.ORG_ID.fullmatch(example["org_id"])
        assert len(example.get("metadata", {})) <= limits.METADATA_KEYS


def test_the_limits_fit_one_another():
    # An event and its headers fit into a message; a read looks beyond what a clock may be ahead.
    assert limits.MAX_EVENT_BYTES < limits.MAX_MESSAGE_BYTES
    assert limits.READ_AHEAD > limits.CLOCK_SKEW
    assert limits.RETENTION_DAYS == 90
