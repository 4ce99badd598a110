"""``orgtrail up --check``: a difference, a missing event or a shown secret is a failure."""

import copy
import io

import msgspec
import pytest
from rich.console import Console

from orgtrail_deploy.errors import StackError
from orgtrail_deploy.local import check
from orgtrail_schemas.catalogue import REDACTED, catalogue

CSV_ONLY = ("listed", "session_id", "trace_id", "metadata")
SENT = {f"id-{e.key}": e for e in catalogue().events.values() if not e.own}


def blank(pairs):
    return [tuple("" if part is None else part for part in pair) for pair in pairs]


@pytest.fixture
def found():
    """What the three readers return when everything is right."""
    right = {event_id: check._expected(event) for event_id, event in SENT.items()}
    csv = copy.deepcopy(right)
    for fields in csv.values():
        for name in CSV_ONLY:
            del fields[name]
        fields["changes"] = blank(fields["changes"])
    return {"API": copy.deepcopy(right), "CSV": csv, "SQL": copy.deepcopy(right)}


def report(found):
    out = io.StringIO()
    failures = check._report(Console(file=out, width=300), SENT, found)
    return failures, out.getvalue()


def test_what_every_reader_returns_as_expected_has_no_failure(found):
    failures, printed = report(found)
    assert failures == 0
    assert all(event.key in printed for event in SENT.values())


@pytest.mark.parametrize("reader", ["API", "CSV", "SQL"])
@pytest.mark.parametrize("field", ["event_name", "level", "outcome", "actor_id", "targets", "ip"])
def test_a_field_that_differs_is_named(found, reader, field):
    found[reader]["id-user.login"][field] = "different"
    failures, printed = report(found)
    assert failures == 1
    (line,) = [line for line in printed.splitlines() if "user.login " in line]
    assert field in line


@pytest.mark.parametrize("reader", ["API", "CSV", "SQL"])
def test_an_event_that_is_missing_is_a_failure(found, reader):
    del found[reader]["id-user.login"]
    failures, printed = report(found)
    assert failures >= 1
    assert "missing" in printed


def test_an_event_too_many_is_a_failure(found):
    found["SQL"]["another"] = found["SQL"]["id-user.login"]
    assert report(found)[0] == 1


@pytest.mark.parametrize("reader", ["API", "CSV", "SQL"])
def test_a_secret_that_is_shown_is_a_failure(found, reader):
    found[reader]["id-user.login"]["user_agent"] = f"x {check.SECRET} x"
    failures, printed = report(found)
    assert failures == 2
    assert check.SECRET not in printed


def test_no_value_and_an_empty_value_differ_where_the_format_can_tell(found):
    event_id = next(i for i, f in found["SQL"].items() if any(None in c for c in f["changes"]))
    assert report(found)[0] == 0
    for reader in ("API", "SQL"):
        found[reader][event_id]["changes"] = blank(found[reader][event_id]["changes"])
    assert report(found)[0] == 2


def test_expected_values_hold_no_secret_and_at_least_one_redaction():
    expected = msgspec.json.encode([check._expected(event) for event in SENT.values()]).decode()
    assert check.SECRET not in expected
    assert REDACTED in expected


def test_events_that_the_check_caused_itself_are_left_out():
    own = next(event.key for event in catalogue().events.values() if event.own)
    rows = {"a": {"event": "user.login"}, "b": {"event": own}, "c": {"event": "shop.sold"}}
    assert list(check._of_services(rows)) == ["a", "c"]


@pytest.mark.parametrize(("failures", "code"), [(0, 0), (1, 1), (3, 1)])
def test_the_exit_code_says_whether_all_was_right(monkeypatch, failures, code):
    stopped = []

    class Stack:
        def __init__(self, root, _settings):
            self.root = root

        def stop(self):
            stopped.append(self.root)

    for name, result in {"_send": SENT, "_read_all": {}, "_report": failures, "make_token": "t",
                         "start": None, "free_ports": [1, 2, 3, 4, 5, 6]}.items():  # fmt: skip
        monkeypatch.setattr(check, name, lambda *_given, result=result: result)
    monkeypatch.setattr(check, "Stack", Stack)
    out = io.StringIO()
    assert check.run_check(Console(file=out)) == code
    assert f"{len(SENT)} event types" in out.getvalue()
    (root,) = stopped
    assert not root.parent.exists()

    def broken(*_given):
        raise StackError("no")

    monkeypatch.setattr(check, "start", broken)
    with pytest.raises(StackError):
        check.run_check(Console(file=out))
    assert len(stopped) == 2
