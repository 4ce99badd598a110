"""The people of the sample account service, and what its requests hold."""

from __future__ import annotations

import hashlib
import hmac
import secrets

import msgspec

from orgtrail import Change, Target


class SignUp(msgspec.Struct):
    """Who signs up."""

    org_id: str
    email: str
    name: str
    password: str


class SignIn(msgspec.Struct):
    """Who signs in."""

    email: str
    password: str


class Invitation(msgspec.Struct):
    """Who is invited, and as what."""

    email: str
    role: str = "member"


class Role(msgspec.Struct):
    """A person's new role."""

    role: str


class Activity(msgspec.Struct):
    """What another service of the company records through this one, in the demonstration."""

    event: str
    targets: list[Target] = []
    changes: list[Change] = []
    metadata: dict[str, str] = {}
    service: str = ""


class Person(msgspec.Struct):
    """Somebody with an account."""

    id: str
    org_id: str
    email: str
    name: str
    role: str
    salt: bytes
    hashed: bytes

    def knows(self, password: str) -> bool:
        """Whether this is their password."""
        return hmac.compare_digest(self.hashed, _hash(password, self.salt))


class Accounts:
    """Everybody with an account, and who is signed in."""

    def __init__(self) -> None:
        self.people: dict[str, Person] = {}
        self.sessions: dict[str, tuple[str, Person]] = {}

    def add(self, new: SignUp) -> Person | None:
        """A new account; ``None`` when the email address has one already."""
        if new.email in self.people:
            return None
        identity = f"u-{new.org_id}-{new.email.partition('@')[0]}"
        salt = secrets.token_bytes(16)
        person = Person(
            identity, new.org_id, new.email, new.name, "member", salt, _hash(new.password, salt)
        )
        self.people[new.email] = person
        return person

    def begin(self, person: Person) -> str:
        """The token of a new session; its id, which events hold, does not give it away."""
        token = secrets.token_urlsafe()
        self.sessions[token] = (f"ses-{secrets.token_hex(6)}", person)
        return token


def _hash(password: str, salt: bytes) -> bytes:
    # A small cost: the demonstration signs in hundreds of times. A real service takes n=2**17.
    return hashlib.scrypt(password.encode(), salt=salt, n=2**8, r=8, p=1)
