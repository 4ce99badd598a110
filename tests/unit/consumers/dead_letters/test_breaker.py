import pytest

from orgtrail_consumers.dead_letters.breaker import Breaker
from orgtrail_consumers.errors import StopError
from orgtrail_consumers.kafka.batch import Rejected


def bad(count, reason="malformed"):
    return [Rejected(n, reason, "") for n in range(count)]


def test_a_share_over_the_limit_stops():
    breaker = Breaker(50, 100)
    breaker.check(100, bad(50))
    with pytest.raises(StopError, match=r"60 of the last 100 records .* \(60 malformed\)"):
        breaker.check(100, bad(60))


def test_few_records_say_nothing():
    Breaker(50, 100).check(99, bad(99))


def test_what_is_long_past_does_not_count():
    breaker = Breaker(50, 100)
    breaker.check(99, bad(99))
    breaker.check(100, bad(0))
    breaker.check(100, bad(50))


def test_an_unknown_schema_is_not_bad():
    Breaker(0, 10).check(100, bad(100, "unknown_schema"))


def test_a_limit_of_all_never_stops():
    Breaker(100, 1).check(1000, bad(1000))
