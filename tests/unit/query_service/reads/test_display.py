import pytest

from orgtrail_query_service.reads.display import plain


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Zoë 😀", "Zoë 😀"),
        ("a\u202eb", "a\\u202eb"),
        ("a\x00b\x1b", "a\\u0000b\\u001b"),
        ("zero\u200bwidth", "zero\\u200bwidth"),
    ],
)
def test_control_and_direction_characters_are_shown(text, shown):
    assert plain(text) == shown
