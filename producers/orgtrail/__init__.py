"""Emit audit events: who did what, to whom, when, from where.

from orgtrail import Actor, AuditProducer, Change, Target

with AuditProducer() as audit:
    audit.emit(
        "org.user.role.updated",
        org_id="acme",
        actor=Actor(type="user", id="u-1", email="alice@acme.example"),
        targets=[Target(type="user", id="u-2", email="bob@acme.example")],
        changes=[Change(field="role", old="member", new="admin")],
    )
"""

from orgtrail.errors import (
    AuditError,
    BufferFullError,
    InvalidEventError,
    SettingsError,
    SpoolFullError,
    UndeliveredError,
)
from orgtrail.event import Actor, Change, Context, Target
from orgtrail.producer import AuditProducer, Delivery
from orgtrail.settings import ProducerSettings

__all__ = [
    "Actor",
    "AuditError",
    "AuditProducer",
    "BufferFullError",
    "Change",
    "Context",
    "Delivery",
    "InvalidEventError",
    "ProducerSettings",
    "SettingsError",
    "SpoolFullError",
    "Target",
    "UndeliveredError",
]
