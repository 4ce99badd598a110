"""What a call to ``emit`` passes comes first; the scope fills in the rest."""

import pytest
from msgspec.structs import replace

from orgtrail import Actor, Context, InvalidEventError
from orgtrail.request.fill_arguments import completed
from orgtrail.scope import UNKNOWN, Scope

ALICE, BOB, SAM = Actor(id="u-1"), Actor(id="u-2"), Actor(type="support", id="s-7")
ORIGIN = Context(ip="8.8.8.8", user_agent="curl", request_id="r-1", session_id="s-1", trace_id="t")


def scope(**changed):
    origin = {name: getattr(ORIGIN, name) for name in ORIGIN.__struct_fields__ if name != "service"}
    given = {"actor": ALICE, "impersonator": SAM, "org_id": "acme", "traceparent": "00-t"} | origin
    return Scope(**(given | changed))


def test_a_call_without_arguments_takes_all_from_the_scope():
    expected = ("acme", ALICE, SAM, ORIGIN, "00-t")
    assert completed(scope(), None, None, None, None, None) == expected


def test_arguments_come_first():
    other = Context(ip="1.1.1.1", user_agent="x", request_id="y", session_id="z", service="billing", trace_id="u")  # fmt: skip
    given = (["globex"], BOB, BOB, other, "00-u")
    assert completed(scope(), *given) == given


@pytest.mark.parametrize("name", Context.__struct_fields__)
def test_a_context_overrides_only_the_fields_that_it_has(name):
    context = completed(scope(), None, None, None, Context(**{name: "mine"}), None)[3]
    assert context == replace(ORIGIN, **{name: "mine"})


@pytest.mark.parametrize("org_id", ["", [], 0])
def test_an_empty_organization_is_passed_on_so_that_it_is_refused(org_id):
    assert completed(scope(), org_id, None, None, None, None)[0] == org_id


def test_functions_are_called_for_missing_arguments_only():
    called = []
    lazy = scope(actor=lambda: called.append("actor") or ALICE, org_id=lambda: called.append("org") or "acme")  # fmt: skip
    completed(lazy, "globex", BOB, None, None, None)
    assert called == []
    assert completed(lazy, None, None, None, None, None)[:2] == ("acme", ALICE)
    assert sorted(called) == ["actor", "org"]


def test_a_request_without_an_actor_is_recorded_with_an_unknown_one():
    for actor in (None, lambda: None, lambda: 1 / 0):
        assert completed(scope(actor=actor), None, None, None, None, None)[1] == UNKNOWN


@pytest.mark.parametrize("wrong", [{"ip": "8.8.8.8"}, "8.8.8.8", Actor(id="1"), ()])
def test_what_is_not_a_context_is_refused(wrong):
    with pytest.raises(InvalidEventError) as refused:
        completed(scope(), None, None, None, wrong, None)
    assert refused.value.field == "context"
