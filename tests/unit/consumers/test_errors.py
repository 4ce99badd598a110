from orgtrail_consumers.errors import clickhouse_error, describe


def raised(error):
    try:
        raise error
    except Exception as caught:
        return caught


def test_an_error_is_named_by_class_and_place():
    text = describe(raised(KeyError("alice@acme.example")))
    assert text.startswith("KeyError at test_errors.py:")
    assert "alice" not in text


def test_clickhouse_is_quoted_by_code_alone():
    error = OSError(
        "Code: 6. DB::Exception: Cannot parse 'alice@x' (CANNOT_PARSE_TEXT) (version 1)"
    )
    assert describe(error) == "OSError 6 CANNOT_PARSE_TEXT"


def test_a_code_in_the_quoted_data_is_not_the_code():
    error = OSError(
        "Code: 469. DB::Exception: Constraint `x` is violated at row 1. Values: name = '(READONLY)'."
        " (VIOLATED_CONSTRAINT) (version 26.2.4.23 (official build))"
    )
    assert clickhouse_error(error) == (469, "VIOLATED_CONSTRAINT")
    assert describe(error) == "OSError 469 VIOLATED_CONSTRAINT"
    assert clickhouse_error(OSError("connection refused")) is None
