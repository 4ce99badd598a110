import pytest

from orgtrail_query_service.http.accept import accepts_gzip, preferred, weights


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("", {"": 1}),
        ("gzip", {"gzip": 1}),
        ("GZIP;q=0.5, br", {"gzip": 0.5, "br": 1}),
        ("text/csv ; q=0", {"text/csv": 0}),
        ("a;q=high", {"a": 0}),
        ("a;q=inf, b;q=-1, c;q=nan, d;q=9", {"a": 1, "b": 0, "c": 0, "d": 1}),
    ],
)
def test_weights_are_read(header, expected):
    assert weights(header) == expected


@pytest.mark.parametrize(
    ("header", "accepted"),
    [("gzip", True), ("*", True), ("gzip;q=0", False), ("", False), ("gzip;q=0, *", False)],
)
def test_gzip_is_sent_to_who_takes_it(header, accepted):
    assert accepts_gzip(header) == accepted


@pytest.mark.parametrize(
    ("header", "chosen"),
    [
        ("*/*", "text/csv"),
        ("text/*", "text/csv"),
        ("application/*", "application/jsonl"),
        ("text/csv;q=0.1, application/jsonl", "application/jsonl"),
        ("text/csv;q=0, */*", "application/jsonl"),
        ("text/html, */*;q=0.1", "text/csv"),
        ("text/csv;q=inf", "text/csv"),
        ("text/csv;q=0", None),
        ("image/png", None),
        ("", None),
    ],
)
def test_the_preferred_media_type(header, chosen):
    assert preferred(header, ["text/csv", "application/jsonl"]) == chosen
