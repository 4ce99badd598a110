"""The accounts of the sample service, and the bodies of its requests."""

from __future__ import annotations

import hashlib
import hmac
import secrets

import msgspec

from orgtrail import Change, Target


class SignUp(msgspec.Struct):
    """A sign-up request."""

    org_id: str
    email: str
    name: str
    password: str


class SignIn(msgspec.Struct):
    """A sign-in request."""

    email: str
    password: str


class Invitation(msgspec.Struct):
    """A request to invite a person with a role."""

    email: str
    role: str = "member"


class Role(msgspec.Struct):
    """A request to change a person's role."""

    role: str


class Activity(msgspec.Struct):
    """An event of another service that the demonstration records through this service."""

    event: str
    targets: list[Target] = []
    changes: list[Change] = []
    metadata: dict[str, str] = {}
    service: str = ""


class Person(msgspec.Struct):
    """A person with an account."""

    id: str
    org_id: str
    email: str
    name: str
    role: str
    salt: bytes
    hashed: bytes

    def knows(self, password: str) -> bool:
        """Whether the password is correct."""
        return hmac.compare_digest(self.hashed, _hash(password, self.salt))


class Accounts:
    """All accounts, and the sessions of signed-in people."""

    def __init__(self) -> None:
        self.people: dict[str, Person] = {}
        self.sessions: dict[str, tuple[str, Person]] = {}

    def add(self, new: SignUp) -> Person | None:
        """Create an account. Return ``None`` if the email address already has one."""
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
        """Start a session, and return its token. Events contain the session's ID, not the token."""
        token = secrets.token_urlsafe()
        self.sessions[token] = (f"ses-{secrets.token_hex(6)}", person)
        return token


def _hash(password: str, salt: bytes) -> bytes:
    # A low cost, because the demonstration signs in hundreds of times. In production use n=2**17.
    return hashlib.scrypt(password.encode(), salt=salt, n=2**8, r=8, p=1)
