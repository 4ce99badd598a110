import pyarrow as pa
import pytest

from orgtrail_consumers.steps.redact import redact_metadata

MAP = pa.map_(pa.string(), pa.string())


def test_of_equal_keys_the_last_stays():
    metadata = pa.array([[("a", "1"), ("a", "2"), ("b", "3")], []], MAP)
    events = pa.array(["user.login", "user.login"])
    assert redact_metadata(events, metadata).to_pylist() == [[("a", "2"), ("b", "3")], []]


@pytest.mark.parametrize("separator", ["\x1f", "\x00", "/", "\n"])
def test_no_event_key_can_pass_for_a_listed_one(separator):
    """A sender who puts a separator into the key must not turn an unlisted event into a listed."""
    events = pa.array([f"user.login{separator}x"])
    assert redact_metadata(events, pa.array([[("pin2", "hunter2")]], MAP)).to_pylist() == [
        [("pin2", "[redacted]")]
    ]


def test_a_slice_is_its_own_column():
    metadata = pa.array([[("a", "1")], [("b", "2")], [("c", "3")]], MAP).slice(1, 1)
    assert redact_metadata(pa.array(["user.login"]), metadata).to_pylist() == [[("b", "2")]]
