"""Accounts of the sample service: passwords are hashed, sessions have an ID beside their token."""

import pytest

from orgtrail_deploy.sample.accounts import Accounts, SignUp

ALICE = SignUp(org_id="acme", email="alice@acme.example", name="Alice", password="correct horse")


@pytest.fixture
def accounts():
    return Accounts()


def test_an_account_is_found_by_its_address(accounts):
    person = accounts.add(ALICE)
    assert accounts.people[ALICE.email] is person
    assert (person.org_id, person.email, person.name) == ("acme", ALICE.email, "Alice")
    assert person.role == "member"
    assert person.id.startswith("u-acme-")


def test_an_address_has_one_account(accounts):
    person = accounts.add(ALICE)
    again = SignUp(org_id="globex", email=ALICE.email, name="Eve", password="other")
    assert accounts.add(again) is None
    assert accounts.people == {ALICE.email: person}


@pytest.mark.parametrize("wrong", ["", "Correct horse", "correct horse ", "correct\x00horse", "ü"])
def test_only_the_password_is_right(accounts, wrong):
    person = accounts.add(ALICE)
    assert person.knows("correct horse")
    assert not person.knows(wrong)


def test_a_password_is_not_kept_and_two_equal_ones_look_different(accounts):
    person = accounts.add(ALICE)
    other = accounts.add(SignUp("acme", "bob@acme.example", "Bob", ALICE.password))
    assert "correct horse" not in repr(person)
    assert b"correct horse" not in person.hashed
    assert person.hashed != other.hashed
    assert person.salt != other.salt


def test_each_session_has_its_own_token_and_id(accounts):
    person = accounts.add(ALICE)
    tokens = {accounts.begin(person) for _ in range(20)}
    ids = {accounts.sessions[token][0] for token in tokens}
    assert len(tokens) == len(ids) == 20
    assert all(accounts.sessions[token][1] is person for token in tokens)
    assert not any(token in identity for token in tokens for identity in ids)
