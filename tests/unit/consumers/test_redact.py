import pyarrow as pa

from orgtrail_consumers.redact import redact_metadata

MAP = pa.map_(pa.string(), pa.string())


def test_of_equal_keys_the_last_stays():
    metadata = pa.array([[("a", "1"), ("a", "2"), ("b", "3")], []], MAP)
    events = pa.array(["user.login", "user.login"])
    assert redact_metadata(events, metadata).to_pylist() == [[("a", "2"), ("b", "3")], []]


def test_a_slice_is_its_own_column():
    metadata = pa.array([[("a", "1")], [("b", "2")], [("c", "3")]], MAP).slice(1, 1)
    assert redact_metadata(pa.array(["user.login"]), metadata).to_pylist() == [[("b", "2")]]
