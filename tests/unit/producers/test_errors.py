"""What a service may catch: one base class, and the details that a handler needs."""

import inspect
import pickle

import pytest

from orgtrail import errors
from orgtrail.errors import AuditError, InvalidEventError, SettingsError, UndeliveredError
from orgtrail_schemas import settings

KINDS = [
    kind
    for _, kind in inspect.getmembers(errors, inspect.isclass)
    if kind.__module__ == errors.__name__
]


@pytest.mark.parametrize("kind", KINDS)
def test_one_base_class_catches_all(kind):
    assert issubclass(kind, AuditError)
    assert not issubclass(AuditError, (ValueError, OSError))


def test_an_invalid_event_names_its_field_and_is_a_value_error():
    with pytest.raises(ValueError, match=r"^actor\.type: must be x$") as raised:
        raise InvalidEventError("actor.type", "must be x")
    assert raised.value.field == "actor.type"


def test_lost_events_are_counted_and_the_setting_that_prevents_it_is_named():
    error = UndeliveredError(3)
    assert error.count == 3
    assert "3" in str(error)
    assert "ORGTRAIL_SPOOL_DIR" in str(error)


def test_a_settings_error_is_also_that_of_the_shared_settings():
    assert issubclass(SettingsError, settings.SettingsError)


@pytest.mark.parametrize(
    "kind", [k for k in KINDS if k not in (InvalidEventError, UndeliveredError)]
)
def test_an_error_of_one_text_crosses_processes(kind):
    copy = pickle.loads(pickle.dumps(kind("why")))
    assert (type(copy), str(copy)) == (kind, "why")
