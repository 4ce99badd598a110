from datetime import UTC, datetime

import msgspec

from orgtrail_query_service.api.answers import answer


class Body(msgspec.Struct):
    at: datetime


def test_an_answer_has_its_headers_and_times_as_exports_write_them():
    made = answer([Body(datetime(2026, 11, 23, tzinfo=UTC))], {"Link": "x"})
    assert made.content == [{"at": "2026-11-23T00:00:00.000Z"}]
    assert made.headers == {"Link": "x"}
