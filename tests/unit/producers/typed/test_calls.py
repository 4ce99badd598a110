import pytest

from orgtrail import Actor, Change, InvalidEventError, Target, events
from orgtrail.changes import diff
from orgtrail.testing import Recorder
from orgtrail.typed.calls import REPLACED, UNCHANGED
from orgtrail_schemas.catalogue import REDACTED, catalogue

ALICE = Actor(id="u-1", email="alice@acme.example")
BOB = Target(type="user", id="u-2")
WHO = {"org_id": "acme", "actor": ALICE}


@pytest.fixture
def audit():
    with Recorder(strict=True) as recorder:
        yield recorder


def pairs(event):
    return {change.field: (change.old, change.new) for change in event.changes}


def test_every_event_of_the_catalogue_has_a_function_that_emits_it(audit):
    for event in catalogue().events.values():
        if event.own:
            continue
        function = getattr(events, event.key.replace(".", "_").replace("-", "_"))
        arguments = dict.fromkeys(event.changes, ("a", "b"))
        arguments |= dict.fromkeys(event.metadata, "c")
        if not event.about_actor:
            arguments["target"] = Target(type=event.target, id="t-1")
        identity = function(**WHO, **arguments)
        made = audit.assert_emitted(event.key, event_id=identity)
        assert list(pairs(made)) == list(event.changes)
        assert set(made.metadata) == set(event.metadata)
        assert [t.type for t in made.targets] == [ALICE.type if event.about_actor else event.target]


def test_what_is_not_given_is_not_sent(audit):
    events.org_user_profile_updated(**WHO, target=BOB, phone=(None, "1"), name=UNCHANGED)
    events.user_login(**WHO, method=None)
    updated, login = audit.events
    assert pairs(updated) == {"phone": (None, "1")}
    assert login.metadata == {}


def test_a_secret_changes_without_its_values(audit):
    events.user_password_changed(**WHO, password=REPLACED)
    assert pairs(audit.events[0]) == {"password": (REDACTED, REDACTED)}


def test_what_diff_found_and_what_the_caller_says(audit):
    found = diff({"name": "a", "phone": "1"}, {"name": "b", "phone": "2"})
    events.org_user_profile_updated(**WHO, target=BOB, changes=found, name=("x", "y"))
    assert pairs(audit.events[0]) == {"name": ("x", "y"), "phone": ("1", "2")}


def test_several_targets(audit):
    other = Target(type="user", id="u-3")
    for given in ([BOB, other], (BOB, other), iter([BOB, other])):
        events.org_user_deleted(**WHO, target=given)
    assert [[t.id for t in made.targets] for made in audit.events] == [["u-2", "u-3"]] * 3


@pytest.mark.parametrize(
    ("arguments", "field", "problem"),
    [
        ({"target": []}, "target", "is required"),
        ({"target": None}, "target", "is required"),
        ({"target": 5}, "target", "must be a Target"),
        ({"target": "u-2"}, "target", "must be a Target"),
        ({"target": Target(type="invitation", id="i")}, "target.type", "must be user"),
        ({"role": "ab"}, "role", "must be a pair"),
        ({"role": None}, "role", "must be a pair"),
        ({"role": ("a",)}, "role", "must be a pair"),
        ({"outcome": "fail"}, "outcome", "must be one of"),
    ],
)
def test_mistakes_without_a_type_checker(audit, arguments, field, problem):
    with pytest.raises(InvalidEventError, match=problem) as caught:
        events.org_user_role_updated(**(WHO | {"target": BOB} | arguments))
    assert caught.value.field == field
    assert audit.events == []


def test_unknown_arguments_are_refused_by_python():
    for wrong in ({"roel": ("a", "b")}, {"metadata": {"a": "b"}}):
        with pytest.raises(TypeError, match="unexpected keyword argument"):
            events.org_user_role_updated(**WHO, target=BOB, **wrong)
    with pytest.raises(TypeError, match="target"):
        events.org_user_role_updated(**WHO)


def test_custom_sends_what_the_catalogue_does_not_list():
    with Recorder() as audit:
        events.custom(
            "shop.order.refunded",
            **WHO,
            targets=[Target(type="order", id="o-1")],
            changes=[Change(field="status", old="paid", new="refunded")],
            metadata={"reason": "late"},
            outcome="denied",
        )
    (made,) = audit.events
    assert (made.event, made.outcome, made.targets[0].id) == (
        "shop.order.refunded",
        "denied",
        "o-1",
    )
    assert made.metadata == {"reason": REDACTED}


def test_a_producer_of_ones_own():
    class Producer:
        def emit(self, event, **arguments):
            self.taken = (event, arguments)
            return "an id"

    mine = Producer()
    assert events.user_login(**WHO, method="sso", outcome="failure", producer=mine) == "an id"
    event, arguments = mine.taken
    assert event == "user.login"
    assert arguments["metadata"] == {"method": "sso"}
    assert arguments["outcome"] == "failure"
    assert "producer" not in arguments
    assert events.custom("a.b", producer=mine) == "an id"
