from orgtrail_consumers.errors import describe


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
