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

from orgtrail.asgi import AuditMiddleware
from orgtrail.changes import diff, snapshot
from orgtrail.default import emit, get_producer, set_producer
from orgtrail.delivery.report import Delivery
from orgtrail.errors import (
    AuditError,
    BufferFullError,
    InvalidEventError,
    SettingsError,
    SpoolFullError,
    UnconfirmedError,
    UndeliveredError,
    UnreachableError,
)
from orgtrail.event import Actor, Change, Context, Target
from orgtrail.producer import AuditProducer
from orgtrail.scope import Scope, audit_scope
from orgtrail.settings import ProducerSettings

__all__ = [
    "Actor",
    "AuditError",
    "AuditMiddleware",
    "AuditProducer",
    "BufferFullError",
    "Change",
    "Context",
    "Delivery",
    "InvalidEventError",
    "ProducerSettings",
    "Scope",
    "SettingsError",
    "SpoolFullError",
    "Target",
    "UnconfirmedError",
    "UndeliveredError",
    "UnreachableError",
    "audit_scope",
    "diff",
    "emit",
    "get_producer",
    "set_producer",
    "snapshot",
]
