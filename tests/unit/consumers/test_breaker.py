import pytest

from orgtrail_consumers.batch import Rejected
from orgtrail_consumers.breaker import Breaker
from orgtrail_consumers.failure import StopError


def bad(count, reason="malformed"):
    return [Rejected(n, reason, "") for n in range(count)]


def test_a_share_over_the_limit_stops():
    breaker = Breaker(50, 100)
    breaker.note(100, bad(50))
    with pytest.raises(StopError, match=r"of the last 100 records, 60 .* \(60 malformed\)"):
        breaker.note(100, bad(60))


def test_few_records_say_nothing():
    Breaker(50, 100).note(99, bad(99))


def test_what_is_long_past_does_not_count():
    breaker = Breaker(50, 100)
    breaker.note(99, bad(99))
    breaker.note(100, bad(0))
    breaker.note(100, bad(50))


def test_an_unknown_schema_is_not_bad():
    Breaker(0, 10).note(100, bad(100, "unknown_schema"))


def test_a_limit_of_all_never_stops():
    Breaker(100, 1).note(1000, bad(1000))
