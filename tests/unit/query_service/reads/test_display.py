import sys
import unicodedata

import pytest
import regex

from orgtrail_query_service.reads.display import plain


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Zoë 😀", "Zoë 😀"),
        ("a\u202eb", "a\\u202eb"),
        ("a\x00b\x1b", "a\\u0000b\\u001b"),
        ("zero\u200bwidth", "zero\\u200bwidth"),
        ("soft\u00adhyphen", "soft\\u00adhyphen"),
        ("hangul\u3164", "hangul\\u3164"),
        ("tag\U000e0041", "tag\\U000e0041"),
        ("no\u00a0break", "no\\u00a0break"),
        ("braille\u2800", "braille\\u2800"),
        ("selector\ufe0f", "selector\\ufe0f"),
        (" a  b ", "\\u0020a \\u0020b\\u0020"),
        ("a b", "a b"),
        ("C:\\users", "C:\\users"),
        ("bob\\u200b", "bob\\u005cu200b"),
        ("", ""),
        ("   ", "\\u0020\\u0020\\u0020"),
    ],
)
def test_what_nobody_sees_is_shown(text, shown):
    assert plain(text) == shown


@pytest.mark.parametrize(
    "whole", ["👩\u200d👩\u200d👧", "❤\ufe0f", "👍🏽", "1\ufe0f\u20e3", "🇫🇷", "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f"]
)  # fmt: skip
def test_emoji_stay_whole(whole):
    assert plain(f"a{whole}b") == f"a{whole}b"


@pytest.mark.parametrize(
    "twin", ["😀\ufe0f", "😀\u200d😀", "😀\u200d", "\u200d😀", "🏴\U000e0067\U000e007f"]
)
def test_what_looks_like_an_emoji_without_it_does_not(twin):
    bare = regex.sub(r"\p{Default_Ignorable_Code_Point}", "", twin)
    assert plain(twin) != bare
    assert plain(bare) == bare


def test_no_invisible_character_of_unicode_is_missed():
    """The properties as this Python knows them: format, control, separators."""
    for point in range(sys.maxunicode + 1):
        character = chr(point)
        category = unicodedata.category(character)
        ignorable = regex.fullmatch(r"[\p{DI}\p{Bidi_C}]", character)
        if category in ("Cc", "Zl", "Zp") or (category == "Zs" and point != 32) or ignorable:
            assert plain(f"a{character}b") != f"a{character}b", hex(point)
