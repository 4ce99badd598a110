import pytest

from orgtrail_query_service.http.accept import accepts_gzip, weights


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("", {"": 1}),
        ("gzip", {"gzip": 1}),
        ("GZIP;q=0.5, br", {"gzip": 0.5, "br": 1}),
        ("text/csv ; q=0", {"text/csv": 0}),
        ("a;q=high", {"a": 0}),
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
