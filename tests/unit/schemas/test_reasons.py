from orgtrail_schemas.limits import CLOCK_SKEW, RETENTION_DAYS
from orgtrail_schemas.reasons import EXPLAINED, REASONS


def test_every_reason_is_explained_in_the_order_of_the_documents():
    assert tuple(EXPLAINED) == REASONS
    assert all(text.endswith(".") for text in EXPLAINED.values())


def test_an_implausible_time_is_explained_with_the_limits_that_apply():
    text = EXPLAINED["implausible_time"]
    assert f"more than {CLOCK_SKEW.total_seconds() / 60:.0f} minutes after" in text
    assert f"more than {RETENTION_DAYS} days before" in text
