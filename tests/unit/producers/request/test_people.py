"""A framework's user becomes an actor."""

import uuid
from types import SimpleNamespace

import pytest
from starlette.authentication import SimpleUser, UnauthenticatedUser
from werkzeug.local import LocalProxy

from orgtrail import Actor
from orgtrail.request.people import actor_of

ALICE = Actor(id="u-1", email="alice@acme.example", name="Alice")
NUMBER = uuid.UUID("0190b3b4-0000-7000-8000-000000000001")


@pytest.mark.parametrize(
    ("user", "actor"),
    [
        (ALICE, ALICE),
        (LocalProxy(lambda: ALICE), ALICE),
        (LocalProxy(lambda: SimpleNamespace(id=5)), Actor(id=5)),
        (None, None),
        (LocalProxy(lambda: None), None),
        ("u-1", Actor(id="u-1")),
        (7, Actor(id=7)),
        (NUMBER, Actor(id=NUMBER)),
        (
            {"sub": "u-1", "email": "a@b.example", "name": "A"},
            Actor(id="u-1", email="a@b.example", name="A"),
        ),
        (SimpleNamespace(id=0, name="Zero"), Actor(id=0, name="Zero")),
        (SimpleNamespace(id=None, email="a@b.example"), Actor(email="a@b.example")),
        (SimpleNamespace(pk=1, id=2, get_full_name=lambda: "Ada"), Actor(id=1, name="Ada")),
        (
            SimpleNamespace(user_id="u-2", get_full_name=lambda: "", full_name="Bo"),
            Actor(id="u-2", name="Bo"),
        ),
        (SimpleUser("alice"), Actor(id="alice", name="alice")),
        (UnauthenticatedUser(), None),
        (SimpleNamespace(id=1, is_authenticated=False), None),
    ],
)
def test_actor_of(user, actor):
    assert actor_of(user) == actor


def test_a_model_may_name_its_email_field():
    class User:
        EMAIL_FIELD = "contact"
        pk, contact = 3, "c@d.example"

    assert actor_of(User()) == Actor(id=3, email="c@d.example")


@pytest.mark.parametrize("nobody", [object(), {}, {"name": "A"}, SimpleNamespace(id=True), [1]])
def test_somebody_without_an_id_and_an_email_is_refused(nobody):
    with pytest.raises(TypeError, match="neither an id nor an email"):
        actor_of(nobody)
