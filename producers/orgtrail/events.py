"""Typed events: one function for each event of the catalogue.

Made by `make docs` from the catalogue; do not edit.

    from orgtrail.events import Target, user_password_changed

Beside what its docstring lists, every function takes:

    org_id        the organization, or several; by default that of the scope
    actor         who acted; by default that of the scope
    outcome       success, failure or denied
    impersonator  who was really at the keyboard
    context       where it came from; by default that of the scope
    event_id      a UUIDv7, to emit the same event again
    occurred_at   when it happened; by default the time of the event_id
    traceparent   the W3C trace context
    on_delivery   is told what became of the event
    producer      the AuditProducer that sends it; by default the one of the process

and returns the event's id. It raises what ``AuditProducer.emit`` raises.
"""

# ruff: noqa: D417 (the arguments that all functions share are explained once, above)

from __future__ import annotations

from datetime import datetime

from orgtrail.typed.calls import (
    REPLACED,
    UNCHANGED,
    Actor,
    AuditProducer,
    Change,
    Changed,
    Changes,
    Context,
    EventId,
    OnDelivery,
    OrgIds,
    Outcome,
    Target,
    Targets,
    Text,
    custom,
    send,
)

__all__ = [
    "REPLACED",
    "UNCHANGED",
    "Actor",
    "Change",
    "Context",
    "Target",
    "custom",
    "org_auth_mfa",
    "org_details_updated",
    "org_invitation_accepted",
    "org_invitation_declined",
    "org_invitation_resent",
    "org_invitation_sent",
    "org_invitation_withdrawn",
    "org_payment_method_added",
    "org_payment_method_default_updated",
    "org_payment_method_deleted",
    "org_service_account_access_key_regenerated",
    "org_service_account_created",
    "org_service_account_deleted",
    "org_service_account_profile_updated",
    "org_subscription_cancelled",
    "org_subscription_created",
    "org_subscription_revoked",
    "org_subscription_updated",
    "org_support_access_granted",
    "org_support_access_revoked",
    "org_user_access_key_regenerated",
    "org_user_auth_mfa",
    "org_user_deleted",
    "org_user_password_changed",
    "org_user_profile_updated",
    "org_user_role_updated",
    "user_access_key_regenerated",
    "user_auth_mfa",
    "user_email_preference_updated",
    "user_email_verified",
    "user_login",
    "user_logout",
    "user_password_changed",
    "user_password_forgot",
    "user_profile_deletion_request",
    "user_profile_updated",
]


def user_password_changed(
    *,
    org_id: OrgIds = None,
    actor: Actor | None = None,
    target: Targets | None = None,
    password: Changed = UNCHANGED,
    changes: Changes | None = None,
    outcome: Outcome = "success",
    impersonator: Actor | None = None,
    context: Context | None = None,
    event_id: EventId = None,
    occurred_at: datetime | None = None,
    traceparent: str | None = None,
    on_delivery: OnDelivery | None = None,
    producer: AuditProducer | None = None,
) -> str:
    """A user changed their own password.

    Args:
        target: The user, or several; by default the actor.
        password: ``REPLACED``, or the old and the new password; neither is stored.
        changes: What ``diff`` found.
    """
    return send(
        "user.password.changed",
        producer,
        kind="user",
        about_actor=True,
        target=target,
        fields={
            "password": password,
        },
        changes=changes,
        org_id=org_id,
        actor=actor,
        outcome=outcome,
        impersonator=impersonator,
        context=context,
        event_id=event_id,
        occurred_at=occurred_at,
        traceparent=traceparent,
        on_delivery=on_delivery,
    )


def user_access_key_regenerated(
    *,
    org_id: OrgIds = None,
    actor: Actor | None = None,
    target: Targets | None = None,
    access_key: Changed = UNCHANGED,
    changes: Changes | None = None,
    outcome: Outcome = "success",
    impersonator: Actor | None = None,
    context: Context | None = None,
    event_id: EventId = None,
    occurred_at: datetime | None = None,
    traceparent: str | None = None,
    on_delivery: OnDelivery | None = None,
    producer: AuditProducer | None = None,
) -> str:
    """A user replaced their own access key.

    Args:
        target: The user, or several; by default the actor.
        access_key: ``REPLACED``, or the old and the new access_key; neither is stored.
        changes: What ``diff`` found.
    """
    return send(
        "user.access-key.regenerated",
        producer,
        kind="user",
        about_actor=True,
        target=target,
        fields={
            "access_key": access_key,
        },
        changes=changes,
        org_id=org_id,
        actor=actor,
        outcome=outcome,
        impersonator=impersonator,
        context=context,
        event_id=event_id,
        occurred_at=occurred_at,
        traceparent=traceparent,
        on_delivery=on_delivery,
    )


def org_user_role_updated(
    *,
    org_id: OrgIds = None,
    actor: Actor | None = None,
    target: Targets,
    role: Changed = UNCHANGED,
    changes: Changes | None = None,
    outcome: Outcome = "success",
    impersonator: Actor | None = None,
    context: Context | None = None,
    event_id: EventId = None,
    occurred_at: datetime | None = None,
    traceparent: str | None = None,
    on_delivery: OnDelivery | None = None,
    producer: AuditProducer | None = None,
) -> str:
    """An administrator gave a user another role.

    Args:
        target: The user, or several.
        role: The old and the new role.
        changes: What ``diff`` found.
    """
    return send(
        "org.user.role.updated",
        producer,
        kind="user",
        target=target,
        fields={
            "role": role,
        },
        changes=changes,
        org_id=org_id,
        actor=actor,
        outcome=outcome,
        impersonator=impersonator,
        context=context,
        event_id=event_id,
        occurred_at=occurred_at,
        traceparent=traceparent,
        on_delivery=on_delivery,
    )


def org_user_password_changed(
    *,
    org_id: OrgIds = None,
    actor: Actor | None = None,
    target: Targets,
    password: Changed = UNCHANGED,
    changes: Changes | None = None,
    outcome: Outcome = "success",
    impersonator: Actor | None = None,
    context: Context | None = None,
    event_id: EventId = None,
    occurred_at: datetime | None = None,
    traceparent: str | None = None,
    on_delivery: OnDelivery | None = None,
    producer: AuditProducer | None = None,
) -> str:
    """An administrator set a new password for a user.

    Args:
        target: The user, or several.
        password: ``REPLACED``, or the old and the new password; neither is stored.
        changes: What ``diff`` found.
    """
    return send(
        "org.user.password.changed",
        producer,
        kind="user",
        target=target,
        fields={
            "password": password,
        },
        changes=changes,
        org_id=org_id,
        actor=actor,
        outcome=outcome,
        impersonator=impersonator,
        context=context,
        event_id=event_id,
        occurred_at=occurred_at,
        traceparent=traceparent,
        on_delivery=on_delivery,
    )


def org_user_access_key_regenerated(
    *,
    org_id: OrgIds = None,
    actor: Actor | None = None,
    target: Targets,
    access_key: Changed = UNCHANGED,
    changes: Changes | None = None,
    outcome: Outcome = "success",
    impersonator: Actor | None = None,
    context: Context | None = None,
    event_id: EventId = None,
    occurred_at: datetime | None = None,
    traceparent: str | None = None,
    on_delivery: OnDelivery | None = None,
    producer: AuditProducer | None = None,
) -> str:
    """An administrator replaced a user's access key.

    Args:
        target: The user, or several.
        access_key: ``REPLACED``, or the old and the new access_key; neither is stored.
        changes: What ``diff`` found.
    """
    return send(
        "org.user.access-key.regenerated",
        producer,
        kind="user",
        target=target,
        fields={
            "access_key": access_key,
        },
        changes=changes,
        org_id=org_id,
        actor=actor,
        outcome=outcome,
        impersonator=impersonator,
        context=context,
        event_id=event_id,
        occurred_at=occurred_at,
        traceparent=traceparent,
        on_delivery=on_delivery,
    )


def org_service_account_access_key_regenerated(
    *,
    org_id: OrgIds = None,
    actor: Actor | None = None,
    target: Targets,
    access_key: Changed = UNCHANGED,
    changes: Changes | None = None,
    outcome: Outcome = "success",
    impersonator: Actor | None = None,
    context: Context | None = None,
    event_id: EventId = None,
    occurred_at: datetime | None = None,
    traceparent: str | None = None,
    on_delivery: OnDelivery | None = None,
    producer: AuditProducer | None = None,
) -> str:
    """An administrator replaced a service account's access key.

    Args:
        target: The service_account, or several.
        access_key: ``REPLACED``, or the old and the new access_key; neither is stored.
        changes: What ``diff`` found.
    """
    return send(
        "org.service-account.access-key.regenerated",
        producer,
        kind="service_account",
        target=target,
        fields={
            "access_key": access_key,
        },
        changes=changes,
        org_id=org_id,
        actor=actor,
        outcome=outcome,
        impersonator=impersonator,
        context=context,
        event_id=event_id,
        occurred_at=occurred_at,
        traceparent=traceparent,
        on_delivery=on_delivery,
    )


def user_email_preference_updated(
    *,
    org_id: OrgIds = None,
    actor: Actor | None = None,
    target: Targets | None = None,
    newsletter: Changed = UNCHANGED,
    product_updates: Changed = UNCHANGED,
    weekly_report: Changed = UNCHANGED,
    changes: Changes | None = None,
    outcome: Outcome = "success",
    impersonator: Actor | None = None,
    context: Context | None = None,
    event_id: EventId = None,
    occurred_at: datetime | None = None,
    traceparent: str | None = None,
    on_delivery: OnDelivery | None = None,
    producer: AuditProducer | None = None,
) -> str:
    """A user chose which emails they want to receive.

    Args:
        target: The user, or several; by default the actor.
        newsletter: The old and the new newsletter.
        product_updates: The old and the new product_updates.
        weekly_report: The old and the new weekly_report.
        changes: What ``diff`` found.
    """
    return send(
        "user.email-preference.updated",
        producer,
        kind="user",
        about_actor=True,
        target=target,
        fields={
            "newsletter": newsletter,
            "product_updates": product_updates,
            "weekly_report": weekly_report,
        },
        changes=changes,
        org_id=org_id,
        actor=actor,
        outcome=outcome,
        impersonator=impersonator,
        context=context,
        event_id=event_id,
        occurred_at=occurred_at,
        traceparent=traceparent,
        on_delivery=on_delivery,
    )


def user_profile_deletion_request(
    *,
    org_id: OrgIds = None,
    actor: Actor | None = None,
    target: Targets | None = None,
    reason: Text = None,
    outcome: Outcome = "success",
    impersonator: Actor | None = None,
    context: Context | None = None,
    event_id: EventId = None,
    occurred_at: datetime | None = None,
    traceparent: str | None = None,
    on_delivery: OnDelivery | None = None,
    producer: AuditProducer | None = None,
) -> str:
    """A user asked for their account to be deleted.

    Args:
        target: The user, or several; by default the actor.
        reason: The metadata reason.
    """
    return send(
        "user.profile.deletion-request",
        producer,
        kind="user",
        about_actor=True,
        target=target,
        metadata={
            "reason": reason,
        },
        org_id=org_id,
        actor=actor,
        outcome=outcome,
        impersonator=impersonator,
        context=context,
        event_id=event_id,
        occurred_at=occurred_at,
        traceparent=traceparent,
        on_delivery=on_delivery,
    )


def org_user_deleted(
    *,
    org_id: OrgIds = None,
    actor: Actor | None = None,
    target: Targets,
    outcome: Outcome = "success",
    impersonator: Actor | None = None,
    context: Context | None = None,
    event_id: EventId = None,
    occurred_at: datetime | None = None,
    traceparent: str | None = None,
    on_delivery: OnDelivery | None = None,
    producer: AuditProducer | None = None,
) -> str:
    """An administrator removed a user from the organization.

    Args:
        target: The user, or several.
    """
    return send(
        "org.user.deleted",
        producer,
        kind="user",
        target=target,
        org_id=org_id,
        actor=actor,
        outcome=outcome,
        impersonator=impersonator,
        context=context,
        event_id=event_id,
        occurred_at=occurred_at,
        traceparent=traceparent,
        on_delivery=on_delivery,
    )


def user_password_forgot(
    *,
    org_id: OrgIds = None,
    actor: Actor | None = None,
    target: Targets | None = None,
    password: Changed = UNCHANGED,
    changes: Changes | None = None,
    reset_token: Text = None,
    outcome: Outcome = "success",
    impersonator: Actor | None = None,
    context: Context | None = None,
    event_id: EventId = None,
    occurred_at: datetime | None = None,
    traceparent: str | None = None,
    on_delivery: OnDelivery | None = None,
    producer: AuditProducer | None = None,
) -> str:
    """A user reset a forgotten password.

    Args:
        target: The user, or several; by default the actor.
        password: ``REPLACED``, or the old and the new password; neither is stored.
        changes: What ``diff`` found.
        reset_token: The metadata reset_token, which is never stored.
    """
    return send(
        "user.password.forgot",
        producer,
        kind="user",
        about_actor=True,
        target=target,
        fields={
            "password": password,
        },
        metadata={
            "reset_token": reset_token,
        },
        changes=changes,
        org_id=org_id,
        actor=actor,
        outcome=outcome,
        impersonator=impersonator,
        context=context,
        event_id=event_id,
        occurred_at=occurred_at,
        traceparent=traceparent,
        on_delivery=on_delivery,
    )


def org_support_access_granted(
    *,
    org_id: OrgIds = None,
    actor: Actor | None = None,
    target: Targets,
    support_access: Changed = UNCHANGED,
    changes: Changes | None = None,
    expires_at: Text = None,
    outcome: Outcome = "success",
    impersonator: Actor | None = None,
    context: Context | None = None,
    event_id: EventId = None,
    occurred_at: datetime | None = None,
    traceparent: str | None = None,
    on_delivery: OnDelivery | None = None,
    producer: AuditProducer | None = None,
) -> str:
    """An administrator let the support staff into the organization.

    Args:
        target: The organization, or several.
        support_access: The old and the new support_access.
        changes: What ``diff`` found.
        expires_at: The metadata expires_at.
    """
    return send(
        "org.support-access.granted",
        producer,
        kind="organization",
        target=target,
        fields={
            "support_access": support_access,
        },
        metadata={
            "expires_at": expires_at,
        },
        changes=changes,
        org_id=org_id,
        actor=actor,
        outcome=outcome,
        impersonator=impersonator,
        context=context,
        event_id=event_id,
        occurred_at=occurred_at,
        traceparent=traceparent,
        on_delivery=on_delivery,
    )


def org_support_access_revoked(
    *,
    org_id: OrgIds = None,
    actor: Actor | None = None,
    target: Targets,
    support_access: Changed = UNCHANGED,
    changes: Changes | None = None,
    outcome: Outcome = "success",
    impersonator: Actor | None = None,
    context: Context | None = None,
    event_id: EventId = None,
    occurred_at: datetime | None = None,
    traceparent: str | None = None,
    on_delivery: OnDelivery | None = None,
    producer: AuditProducer | None = None,
) -> str:
    """An administrator ended the support staff's access to the organization.

    Args:
        target: The organization, or several.
        support_access: The old and the new support_access.
        changes: What ``diff`` found.
    """
    return send(
        "org.support-access.revoked",
        producer,
        kind="organization",
        target=target,
        fields={
            "support_access": support_access,
        },
        changes=changes,
        org_id=org_id,
        actor=actor,
        outcome=outcome,
        impersonator=impersonator,
        context=context,
        event_id=event_id,
        occurred_at=occurred_at,
        traceparent=traceparent,
        on_delivery=on_delivery,
    )


def org_service_account_created(
    *,
    org_id: OrgIds = None,
    actor: Actor | None = None,
    target: Targets,
    outcome: Outcome = "success",
    impersonator: Actor | None = None,
    context: Context | None = None,
    event_id: EventId = None,
    occurred_at: datetime | None = None,
    traceparent: str | None = None,
    on_delivery: OnDelivery | None = None,
    producer: AuditProducer | None = None,
) -> str:
    """An administrator created a service account.

    Args:
        target: The service_account, or several.
    """
    return send(
        "org.service-account.created",
        producer,
        kind="service_account",
        target=target,
        org_id=org_id,
        actor=actor,
        outcome=outcome,
        impersonator=impersonator,
        context=context,
        event_id=event_id,
        occurred_at=occurred_at,
        traceparent=traceparent,
        on_delivery=on_delivery,
    )


def org_service_account_deleted(
    *,
    org_id: OrgIds = None,
    actor: Actor | None = None,
    target: Targets,
    outcome: Outcome = "success",
    impersonator: Actor | None = None,
    context: Context | None = None,
    event_id: EventId = None,
    occurred_at: datetime | None = None,
    traceparent: str | None = None,
    on_delivery: OnDelivery | None = None,
    producer: AuditProducer | None = None,
) -> str:
    """A service account was deleted.

    Args:
        target: The service_account, or several.
    """
    return send(
        "org.service-account.deleted",
        producer,
        kind="service_account",
        target=target,
        org_id=org_id,
        actor=actor,
        outcome=outcome,
        impersonator=impersonator,
        context=context,
        event_id=event_id,
        occurred_at=occurred_at,
        traceparent=traceparent,
        on_delivery=on_delivery,
    )


def user_profile_updated(
    *,
    org_id: OrgIds = None,
    actor: Actor | None = None,
    target: Targets | None = None,
    name: Changed = UNCHANGED,
    phone: Changed = UNCHANGED,
    time_zone: Changed = UNCHANGED,
    job_title: Changed = UNCHANGED,
    changes: Changes | None = None,
    outcome: Outcome = "success",
    impersonator: Actor | None = None,
    context: Context | None = None,
    event_id: EventId = None,
    occurred_at: datetime | None = None,
    traceparent: str | None = None,
    on_delivery: OnDelivery | None = None,
    producer: AuditProducer | None = None,
) -> str:
    """A user changed their own profile.

    Args:
        target: The user, or several; by default the actor.
        name: The old and the new name.
        phone: The old and the new phone.
        time_zone: The old and the new time_zone.
        job_title: The old and the new job_title.
        changes: What ``diff`` found.
    """
    return send(
        "user.profile.updated",
        producer,
        kind="user",
        about_actor=True,
        target=target,
        fields={
            "name": name,
            "phone": phone,
            "time_zone": time_zone,
            "job_title": job_title,
        },
        changes=changes,
        org_id=org_id,
        actor=actor,
        outcome=outcome,
        impersonator=impersonator,
        context=context,
        event_id=event_id,
        occurred_at=occurred_at,
        traceparent=traceparent,
        on_delivery=on_delivery,
    )


def user_login(
    *,
    org_id: OrgIds = None,
    actor: Actor | None = None,
    target: Targets | None = None,
    method: Text = None,
    failure_reason: Text = None,
    outcome: Outcome = "success",
    impersonator: Actor | None = None,
    context: Context | None = None,
    event_id: EventId = None,
    occurred_at: datetime | None = None,
    traceparent: str | None = None,
    on_delivery: OnDelivery | None = None,
    producer: AuditProducer | None = None,
) -> str:
    """A user signed in, or tried to: the outcome tells.

    Args:
        target: The user, or several; by default the actor.
        method: The metadata method.
        failure_reason: The metadata failure_reason.
    """
    return send(
        "user.login",
        producer,
        kind="user",
        about_actor=True,
        target=target,
        metadata={
            "method": method,
            "failure_reason": failure_reason,
        },
        org_id=org_id,
        actor=actor,
        outcome=outcome,
        impersonator=impersonator,
        context=context,
        event_id=event_id,
        occurred_at=occurred_at,
        traceparent=traceparent,
        on_delivery=on_delivery,
    )


def org_invitation_sent(
    *,
    org_id: OrgIds = None,
    actor: Actor | None = None,
    target: Targets,
    role: Text = None,
    invitation_token: Text = None,
    outcome: Outcome = "success",
    impersonator: Actor | None = None,
    context: Context | None = None,
    event_id: EventId = None,
    occurred_at: datetime | None = None,
    traceparent: str | None = None,
    on_delivery: OnDelivery | None = None,
    producer: AuditProducer | None = None,
) -> str:
    """An administrator invited somebody to the organization.

    Args:
        target: The invitation, or several.
        role: The metadata role.
        invitation_token: The metadata invitation_token, which is never stored.
    """
    return send(
        "org.invitation.sent",
        producer,
        kind="invitation",
        target=target,
        metadata={
            "role": role,
            "invitation_token": invitation_token,
        },
        org_id=org_id,
        actor=actor,
        outcome=outcome,
        impersonator=impersonator,
        context=context,
        event_id=event_id,
        occurred_at=occurred_at,
        traceparent=traceparent,
        on_delivery=on_delivery,
    )


def user_email_verified(
    *,
    org_id: OrgIds = None,
    actor: Actor | None = None,
    target: Targets | None = None,
    email_verified: Changed = UNCHANGED,
    changes: Changes | None = None,
    outcome: Outcome = "success",
    impersonator: Actor | None = None,
    context: Context | None = None,
    event_id: EventId = None,
    occurred_at: datetime | None = None,
    traceparent: str | None = None,
    on_delivery: OnDelivery | None = None,
    producer: AuditProducer | None = None,
) -> str:
    """A user proved that an email address is theirs.

    Args:
        target: The user, or several; by default the actor.
        email_verified: The old and the new email_verified.
        changes: What ``diff`` found.
    """
    return send(
        "user.email.verified",
        producer,
        kind="user",
        about_actor=True,
        target=target,
        fields={
            "email_verified": email_verified,
        },
        changes=changes,
        org_id=org_id,
        actor=actor,
        outcome=outcome,
        impersonator=impersonator,
        context=context,
        event_id=event_id,
        occurred_at=occurred_at,
        traceparent=traceparent,
        on_delivery=on_delivery,
    )


def org_invitation_accepted(
    *,
    org_id: OrgIds = None,
    actor: Actor | None = None,
    target: Targets,
    role: Text = None,
    outcome: Outcome = "success",
    impersonator: Actor | None = None,
    context: Context | None = None,
    event_id: EventId = None,
    occurred_at: datetime | None = None,
    traceparent: str | None = None,
    on_delivery: OnDelivery | None = None,
    producer: AuditProducer | None = None,
) -> str:
    """The invited person accepted an invitation to the organization.

    Args:
        target: The invitation, or several.
        role: The metadata role.
    """
    return send(
        "org.invitation.accepted",
        producer,
        kind="invitation",
        target=target,
        metadata={
            "role": role,
        },
        org_id=org_id,
        actor=actor,
        outcome=outcome,
        impersonator=impersonator,
        context=context,
        event_id=event_id,
        occurred_at=occurred_at,
        traceparent=traceparent,
        on_delivery=on_delivery,
    )


def org_invitation_declined(
    *,
    org_id: OrgIds = None,
    actor: Actor | None = None,
    target: Targets,
    outcome: Outcome = "success",
    impersonator: Actor | None = None,
    context: Context | None = None,
    event_id: EventId = None,
    occurred_at: datetime | None = None,
    traceparent: str | None = None,
    on_delivery: OnDelivery | None = None,
    producer: AuditProducer | None = None,
) -> str:
    """The invited person declined an invitation to the organization.

    Args:
        target: The invitation, or several.
    """
    return send(
        "org.invitation.declined",
        producer,
        kind="invitation",
        target=target,
        org_id=org_id,
        actor=actor,
        outcome=outcome,
        impersonator=impersonator,
        context=context,
        event_id=event_id,
        occurred_at=occurred_at,
        traceparent=traceparent,
        on_delivery=on_delivery,
    )


def user_logout(
    *,
    org_id: OrgIds = None,
    actor: Actor | None = None,
    target: Targets | None = None,
    reason: Text = None,
    outcome: Outcome = "success",
    impersonator: Actor | None = None,
    context: Context | None = None,
    event_id: EventId = None,
    occurred_at: datetime | None = None,
    traceparent: str | None = None,
    on_delivery: OnDelivery | None = None,
    producer: AuditProducer | None = None,
) -> str:
    """A user signed out.

    Args:
        target: The user, or several; by default the actor.
        reason: The metadata reason.
    """
    return send(
        "user.logout",
        producer,
        kind="user",
        about_actor=True,
        target=target,
        metadata={
            "reason": reason,
        },
        org_id=org_id,
        actor=actor,
        outcome=outcome,
        impersonator=impersonator,
        context=context,
        event_id=event_id,
        occurred_at=occurred_at,
        traceparent=traceparent,
        on_delivery=on_delivery,
    )


def org_details_updated(
    *,
    org_id: OrgIds = None,
    actor: Actor | None = None,
    target: Targets,
    name: Changed = UNCHANGED,
    website: Changed = UNCHANGED,
    country: Changed = UNCHANGED,
    billing_email: Changed = UNCHANGED,
    changes: Changes | None = None,
    outcome: Outcome = "success",
    impersonator: Actor | None = None,
    context: Context | None = None,
    event_id: EventId = None,
    occurred_at: datetime | None = None,
    traceparent: str | None = None,
    on_delivery: OnDelivery | None = None,
    producer: AuditProducer | None = None,
) -> str:
    """The organization's details were changed.

    Args:
        target: The organization, or several.
        name: The old and the new name.
        website: The old and the new website.
        country: The old and the new country.
        billing_email: The old and the new billing_email.
        changes: What ``diff`` found.
    """
    return send(
        "org.details.updated",
        producer,
        kind="organization",
        target=target,
        fields={
            "name": name,
            "website": website,
            "country": country,
            "billing_email": billing_email,
        },
        changes=changes,
        org_id=org_id,
        actor=actor,
        outcome=outcome,
        impersonator=impersonator,
        context=context,
        event_id=event_id,
        occurred_at=occurred_at,
        traceparent=traceparent,
        on_delivery=on_delivery,
    )


def org_user_profile_updated(
    *,
    org_id: OrgIds = None,
    actor: Actor | None = None,
    target: Targets,
    name: Changed = UNCHANGED,
    phone: Changed = UNCHANGED,
    time_zone: Changed = UNCHANGED,
    job_title: Changed = UNCHANGED,
    changes: Changes | None = None,
    outcome: Outcome = "success",
    impersonator: Actor | None = None,
    context: Context | None = None,
    event_id: EventId = None,
    occurred_at: datetime | None = None,
    traceparent: str | None = None,
    on_delivery: OnDelivery | None = None,
    producer: AuditProducer | None = None,
) -> str:
    """An administrator changed a user's profile.

    Args:
        target: The user, or several.
        name: The old and the new name.
        phone: The old and the new phone.
        time_zone: The old and the new time_zone.
        job_title: The old and the new job_title.
        changes: What ``diff`` found.
    """
    return send(
        "org.user.profile.updated",
        producer,
        kind="user",
        target=target,
        fields={
            "name": name,
            "phone": phone,
            "time_zone": time_zone,
            "job_title": job_title,
        },
        changes=changes,
        org_id=org_id,
        actor=actor,
        outcome=outcome,
        impersonator=impersonator,
        context=context,
        event_id=event_id,
        occurred_at=occurred_at,
        traceparent=traceparent,
        on_delivery=on_delivery,
    )


def org_service_account_profile_updated(
    *,
    org_id: OrgIds = None,
    actor: Actor | None = None,
    target: Targets,
    name: Changed = UNCHANGED,
    description: Changed = UNCHANGED,
    changes: Changes | None = None,
    outcome: Outcome = "success",
    impersonator: Actor | None = None,
    context: Context | None = None,
    event_id: EventId = None,
    occurred_at: datetime | None = None,
    traceparent: str | None = None,
    on_delivery: OnDelivery | None = None,
    producer: AuditProducer | None = None,
) -> str:
    """An administrator changed a service account's profile.

    Args:
        target: The service_account, or several.
        name: The old and the new name.
        description: The old and the new description.
        changes: What ``diff`` found.
    """
    return send(
        "org.service-account.profile.updated",
        producer,
        kind="service_account",
        target=target,
        fields={
            "name": name,
            "description": description,
        },
        changes=changes,
        org_id=org_id,
        actor=actor,
        outcome=outcome,
        impersonator=impersonator,
        context=context,
        event_id=event_id,
        occurred_at=occurred_at,
        traceparent=traceparent,
        on_delivery=on_delivery,
    )


def org_invitation_resent(
    *,
    org_id: OrgIds = None,
    actor: Actor | None = None,
    target: Targets,
    role: Text = None,
    invitation_token: Text = None,
    outcome: Outcome = "success",
    impersonator: Actor | None = None,
    context: Context | None = None,
    event_id: EventId = None,
    occurred_at: datetime | None = None,
    traceparent: str | None = None,
    on_delivery: OnDelivery | None = None,
    producer: AuditProducer | None = None,
) -> str:
    """An administrator sent an invitation again.

    Args:
        target: The invitation, or several.
        role: The metadata role.
        invitation_token: The metadata invitation_token, which is never stored.
    """
    return send(
        "org.invitation.resent",
        producer,
        kind="invitation",
        target=target,
        metadata={
            "role": role,
            "invitation_token": invitation_token,
        },
        org_id=org_id,
        actor=actor,
        outcome=outcome,
        impersonator=impersonator,
        context=context,
        event_id=event_id,
        occurred_at=occurred_at,
        traceparent=traceparent,
        on_delivery=on_delivery,
    )


def org_invitation_withdrawn(
    *,
    org_id: OrgIds = None,
    actor: Actor | None = None,
    target: Targets,
    outcome: Outcome = "success",
    impersonator: Actor | None = None,
    context: Context | None = None,
    event_id: EventId = None,
    occurred_at: datetime | None = None,
    traceparent: str | None = None,
    on_delivery: OnDelivery | None = None,
    producer: AuditProducer | None = None,
) -> str:
    """An invitation to the organization was withdrawn.

    Args:
        target: The invitation, or several.
    """
    return send(
        "org.invitation.withdrawn",
        producer,
        kind="invitation",
        target=target,
        org_id=org_id,
        actor=actor,
        outcome=outcome,
        impersonator=impersonator,
        context=context,
        event_id=event_id,
        occurred_at=occurred_at,
        traceparent=traceparent,
        on_delivery=on_delivery,
    )


def org_auth_mfa(
    *,
    org_id: OrgIds = None,
    actor: Actor | None = None,
    target: Targets,
    mfa_required: Changed = UNCHANGED,
    changes: Changes | None = None,
    outcome: Outcome = "success",
    impersonator: Actor | None = None,
    context: Context | None = None,
    event_id: EventId = None,
    occurred_at: datetime | None = None,
    traceparent: str | None = None,
    on_delivery: OnDelivery | None = None,
    producer: AuditProducer | None = None,
) -> str:
    """An administrator made multi-factor authentication a rule of the organization, or ended it.

    Args:
        target: The organization, or several.
        mfa_required: The old and the new mfa_required.
        changes: What ``diff`` found.
    """
    return send(
        "org.auth.mfa",
        producer,
        kind="organization",
        target=target,
        fields={
            "mfa_required": mfa_required,
        },
        changes=changes,
        org_id=org_id,
        actor=actor,
        outcome=outcome,
        impersonator=impersonator,
        context=context,
        event_id=event_id,
        occurred_at=occurred_at,
        traceparent=traceparent,
        on_delivery=on_delivery,
    )


def user_auth_mfa(
    *,
    org_id: OrgIds = None,
    actor: Actor | None = None,
    target: Targets | None = None,
    mfa_enabled: Changed = UNCHANGED,
    mfa_method: Changed = UNCHANGED,
    mfa_seed: Changed = UNCHANGED,
    recovery_codes: Changed = UNCHANGED,
    changes: Changes | None = None,
    outcome: Outcome = "success",
    impersonator: Actor | None = None,
    context: Context | None = None,
    event_id: EventId = None,
    occurred_at: datetime | None = None,
    traceparent: str | None = None,
    on_delivery: OnDelivery | None = None,
    producer: AuditProducer | None = None,
) -> str:
    """A user changed their own multi-factor authentication settings.

    Args:
        target: The user, or several; by default the actor.
        mfa_enabled: The old and the new mfa_enabled.
        mfa_method: The old and the new mfa_method.
        mfa_seed: ``REPLACED``, or the old and the new mfa_seed; neither is stored.
        recovery_codes: ``REPLACED``, or the old and the new recovery_codes; neither is
            stored.
        changes: What ``diff`` found.
    """
    return send(
        "user.auth.mfa",
        producer,
        kind="user",
        about_actor=True,
        target=target,
        fields={
            "mfa_enabled": mfa_enabled,
            "mfa_method": mfa_method,
            "mfa_seed": mfa_seed,
            "recovery_codes": recovery_codes,
        },
        changes=changes,
        org_id=org_id,
        actor=actor,
        outcome=outcome,
        impersonator=impersonator,
        context=context,
        event_id=event_id,
        occurred_at=occurred_at,
        traceparent=traceparent,
        on_delivery=on_delivery,
    )


def org_user_auth_mfa(
    *,
    org_id: OrgIds = None,
    actor: Actor | None = None,
    target: Targets,
    mfa_enabled: Changed = UNCHANGED,
    mfa_method: Changed = UNCHANGED,
    mfa_seed: Changed = UNCHANGED,
    recovery_codes: Changed = UNCHANGED,
    changes: Changes | None = None,
    outcome: Outcome = "success",
    impersonator: Actor | None = None,
    context: Context | None = None,
    event_id: EventId = None,
    occurred_at: datetime | None = None,
    traceparent: str | None = None,
    on_delivery: OnDelivery | None = None,
    producer: AuditProducer | None = None,
) -> str:
    """An administrator changed a user's multi-factor authentication settings.

    Args:
        target: The user, or several.
        mfa_enabled: The old and the new mfa_enabled.
        mfa_method: The old and the new mfa_method.
        mfa_seed: ``REPLACED``, or the old and the new mfa_seed; neither is stored.
        recovery_codes: ``REPLACED``, or the old and the new recovery_codes; neither is
            stored.
        changes: What ``diff`` found.
    """
    return send(
        "org.user.auth.mfa",
        producer,
        kind="user",
        target=target,
        fields={
            "mfa_enabled": mfa_enabled,
            "mfa_method": mfa_method,
            "mfa_seed": mfa_seed,
            "recovery_codes": recovery_codes,
        },
        changes=changes,
        org_id=org_id,
        actor=actor,
        outcome=outcome,
        impersonator=impersonator,
        context=context,
        event_id=event_id,
        occurred_at=occurred_at,
        traceparent=traceparent,
        on_delivery=on_delivery,
    )


def org_subscription_created(
    *,
    org_id: OrgIds = None,
    actor: Actor | None = None,
    target: Targets,
    plan: Changed = UNCHANGED,
    seats: Changed = UNCHANGED,
    changes: Changes | None = None,
    outcome: Outcome = "success",
    impersonator: Actor | None = None,
    context: Context | None = None,
    event_id: EventId = None,
    occurred_at: datetime | None = None,
    traceparent: str | None = None,
    on_delivery: OnDelivery | None = None,
    producer: AuditProducer | None = None,
) -> str:
    """The organization took out a subscription.

    Args:
        target: The subscription, or several.
        plan: The old and the new plan.
        seats: The old and the new seats.
        changes: What ``diff`` found.
    """
    return send(
        "org.subscription.created",
        producer,
        kind="subscription",
        target=target,
        fields={
            "plan": plan,
            "seats": seats,
        },
        changes=changes,
        org_id=org_id,
        actor=actor,
        outcome=outcome,
        impersonator=impersonator,
        context=context,
        event_id=event_id,
        occurred_at=occurred_at,
        traceparent=traceparent,
        on_delivery=on_delivery,
    )


def org_subscription_updated(
    *,
    org_id: OrgIds = None,
    actor: Actor | None = None,
    target: Targets,
    plan: Changed = UNCHANGED,
    seats: Changed = UNCHANGED,
    billing_period: Changed = UNCHANGED,
    changes: Changes | None = None,
    outcome: Outcome = "success",
    impersonator: Actor | None = None,
    context: Context | None = None,
    event_id: EventId = None,
    occurred_at: datetime | None = None,
    traceparent: str | None = None,
    on_delivery: OnDelivery | None = None,
    producer: AuditProducer | None = None,
) -> str:
    """The organization's subscription was changed.

    Args:
        target: The subscription, or several.
        plan: The old and the new plan.
        seats: The old and the new seats.
        billing_period: The old and the new billing_period.
        changes: What ``diff`` found.
    """
    return send(
        "org.subscription.updated",
        producer,
        kind="subscription",
        target=target,
        fields={
            "plan": plan,
            "seats": seats,
            "billing_period": billing_period,
        },
        changes=changes,
        org_id=org_id,
        actor=actor,
        outcome=outcome,
        impersonator=impersonator,
        context=context,
        event_id=event_id,
        occurred_at=occurred_at,
        traceparent=traceparent,
        on_delivery=on_delivery,
    )


def org_subscription_cancelled(
    *,
    org_id: OrgIds = None,
    actor: Actor | None = None,
    target: Targets,
    status: Changed = UNCHANGED,
    changes: Changes | None = None,
    reason: Text = None,
    outcome: Outcome = "success",
    impersonator: Actor | None = None,
    context: Context | None = None,
    event_id: EventId = None,
    occurred_at: datetime | None = None,
    traceparent: str | None = None,
    on_delivery: OnDelivery | None = None,
    producer: AuditProducer | None = None,
) -> str:
    """The organization's subscription was cancelled.

    Args:
        target: The subscription, or several.
        status: The old and the new status.
        changes: What ``diff`` found.
        reason: The metadata reason.
    """
    return send(
        "org.subscription.cancelled",
        producer,
        kind="subscription",
        target=target,
        fields={
            "status": status,
        },
        metadata={
            "reason": reason,
        },
        changes=changes,
        org_id=org_id,
        actor=actor,
        outcome=outcome,
        impersonator=impersonator,
        context=context,
        event_id=event_id,
        occurred_at=occurred_at,
        traceparent=traceparent,
        on_delivery=on_delivery,
    )


def org_subscription_revoked(
    *,
    org_id: OrgIds = None,
    actor: Actor | None = None,
    target: Targets,
    status: Changed = UNCHANGED,
    changes: Changes | None = None,
    reason: Text = None,
    outcome: Outcome = "success",
    impersonator: Actor | None = None,
    context: Context | None = None,
    event_id: EventId = None,
    occurred_at: datetime | None = None,
    traceparent: str | None = None,
    on_delivery: OnDelivery | None = None,
    producer: AuditProducer | None = None,
) -> str:
    """The organization's subscription was taken away.

    Args:
        target: The subscription, or several.
        status: The old and the new status.
        changes: What ``diff`` found.
        reason: The metadata reason.
    """
    return send(
        "org.subscription.revoked",
        producer,
        kind="subscription",
        target=target,
        fields={
            "status": status,
        },
        metadata={
            "reason": reason,
        },
        changes=changes,
        org_id=org_id,
        actor=actor,
        outcome=outcome,
        impersonator=impersonator,
        context=context,
        event_id=event_id,
        occurred_at=occurred_at,
        traceparent=traceparent,
        on_delivery=on_delivery,
    )


def org_payment_method_added(
    *,
    org_id: OrgIds = None,
    actor: Actor | None = None,
    target: Targets,
    brand: Text = None,
    last4: Text = None,
    card_number: Text = None,
    outcome: Outcome = "success",
    impersonator: Actor | None = None,
    context: Context | None = None,
    event_id: EventId = None,
    occurred_at: datetime | None = None,
    traceparent: str | None = None,
    on_delivery: OnDelivery | None = None,
    producer: AuditProducer | None = None,
) -> str:
    """A payment method was added to the organization.

    Args:
        target: The payment_method, or several.
        brand: The metadata brand.
        last4: The metadata last4.
        card_number: The metadata card_number, which is never stored.
    """
    return send(
        "org.payment-method.added",
        producer,
        kind="payment_method",
        target=target,
        metadata={
            "brand": brand,
            "last4": last4,
            "card_number": card_number,
        },
        org_id=org_id,
        actor=actor,
        outcome=outcome,
        impersonator=impersonator,
        context=context,
        event_id=event_id,
        occurred_at=occurred_at,
        traceparent=traceparent,
        on_delivery=on_delivery,
    )


def org_payment_method_deleted(
    *,
    org_id: OrgIds = None,
    actor: Actor | None = None,
    target: Targets,
    brand: Text = None,
    last4: Text = None,
    outcome: Outcome = "success",
    impersonator: Actor | None = None,
    context: Context | None = None,
    event_id: EventId = None,
    occurred_at: datetime | None = None,
    traceparent: str | None = None,
    on_delivery: OnDelivery | None = None,
    producer: AuditProducer | None = None,
) -> str:
    """A payment method was removed from the organization.

    Args:
        target: The payment_method, or several.
        brand: The metadata brand.
        last4: The metadata last4.
    """
    return send(
        "org.payment-method.deleted",
        producer,
        kind="payment_method",
        target=target,
        metadata={
            "brand": brand,
            "last4": last4,
        },
        org_id=org_id,
        actor=actor,
        outcome=outcome,
        impersonator=impersonator,
        context=context,
        event_id=event_id,
        occurred_at=occurred_at,
        traceparent=traceparent,
        on_delivery=on_delivery,
    )


def org_payment_method_default_updated(
    *,
    org_id: OrgIds = None,
    actor: Actor | None = None,
    target: Targets,
    default_payment_method: Changed = UNCHANGED,
    changes: Changes | None = None,
    outcome: Outcome = "success",
    impersonator: Actor | None = None,
    context: Context | None = None,
    event_id: EventId = None,
    occurred_at: datetime | None = None,
    traceparent: str | None = None,
    on_delivery: OnDelivery | None = None,
    producer: AuditProducer | None = None,
) -> str:
    """Another payment method became the organization's default.

    Args:
        target: The payment_method, or several.
        default_payment_method: The old and the new default_payment_method.
        changes: What ``diff`` found.
    """
    return send(
        "org.payment-method.default-updated",
        producer,
        kind="payment_method",
        target=target,
        fields={
            "default_payment_method": default_payment_method,
        },
        changes=changes,
        org_id=org_id,
        actor=actor,
        outcome=outcome,
        impersonator=impersonator,
        context=context,
        event_id=event_id,
        occurred_at=occurred_at,
        traceparent=traceparent,
        on_delivery=on_delivery,
    )
