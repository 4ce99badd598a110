"""A sample account service: sign-up, sign-in, invitations and roles, each with its audit event.

It shows how a service emits events, not how to manage accounts: accounts are kept in memory, and
anyone who is signed in may do everything. Each response contains the ID of the emitted event.
"""

from __future__ import annotations

import secrets
from datetime import datetime
from typing import Any

from litestar import Litestar, Request, delete, post, put
from litestar.exceptions import HTTPException
from litestar.middleware import DefineMiddleware
from litestar.params import FromPath, JSONBody

from orgtrail import Actor, AuditProducer, Context, Target, events, get_producer, scope
from orgtrail.asgi import AuditMiddleware
from orgtrail_deploy.sample.accounts import (
    Accounts,
    Activity,
    Invitation,
    Person,
    Role,
    SignIn,
    SignUp,
)

AnyRequest = Request[Any, Any, Any]

SUPPORT = Actor(type="support", id="s-7", email="sam@support.example", name="Sam from support")


def _token(request: AnyRequest) -> str:
    return request.headers.get("authorization", "").removeprefix("Bearer ")


def create_app(producer: AuditProducer | None = None, *, demonstration: bool = False) -> Litestar:
    """Create the service. It emits through ``producer``, by default the producer of the process.

    In a demonstration a request may set the time and ID of its event (``X-Occurred-At`` and
    ``X-Event-Id``), claim that support staff made it (``X-Support``), and record events of other
    services. The service must then not be reachable by anyone else.
    """
    accounts = Accounts()
    # Create it now: an invalid setting then fails at startup, and events that an earlier process
    # left on disk are sent at once.
    producer = producer or get_producer()

    def identify(request: AnyRequest) -> None:
        session_id, person = accounts.sessions.get(_token(request), ("", None))
        request.state.person = person
        scope.update(session_id=session_id)
        if demonstration and "x-support" in request.headers:
            scope.update(impersonator=SUPPORT)

    def details(request: AnyRequest) -> dict[str, Any]:
        arguments: dict[str, Any] = {"producer": producer}
        if demonstration and "x-occurred-at" in request.headers:
            arguments["occurred_at"] = datetime.fromisoformat(request.headers["x-occurred-at"])
            arguments["event_id"] = request.headers["x-event-id"]
        return arguments

    def signed_in(request: AnyRequest) -> Person:
        person: Person | None = request.state.person
        if person is None:
            raise HTTPException("Sign in first.", status_code=401)
        return person

    @post("/sign-up")
    async def sign_up(request: AnyRequest, data: JSONBody[SignUp]) -> dict[str, str]:
        person = request.state.person = accounts.add(data)
        if person is None:
            raise HTTPException("This email address already has an account.", status_code=409)
        event_id = events.user_email_verified(email_verified=(False, True), **details(request))
        return {"event_id": event_id, "id": person.id, "token": accounts.begin(person)}

    @post("/sign-in")
    async def sign_in(request: AnyRequest, data: JSONBody[SignIn]) -> dict[str, str]:
        person = request.state.person = accounts.people.get(data.email)
        if person is None:
            raise HTTPException("Wrong email address or password.", status_code=401)
        right = person.knows(data.password)
        event_id = events.user_login(
            method="password",
            outcome="success" if right else "failure",
            failure_reason=None if right else "wrong password",
            **details(request),
        )
        if not right:
            raise HTTPException(
                "Wrong email address or password.", status_code=401, extra={"event_id": event_id}
            )
        return {"event_id": event_id, "token": accounts.begin(person)}

    @delete("/session", status_code=200)
    async def sign_out(request: AnyRequest) -> dict[str, str]:
        signed_in(request)
        del accounts.sessions[_token(request)]
        return {"event_id": events.user_logout(**details(request))}

    @post("/invitations")
    async def invite(request: AnyRequest, data: JSONBody[Invitation]) -> dict[str, str]:
        signed_in(request)
        invitation = Target(type="invitation", id=secrets.token_hex(4), email=data.email)
        event_id = events.org_invitation_sent(target=invitation, role=data.role, **details(request))
        return {"event_id": event_id, "id": str(invitation.id)}

    @put("/people/{email:str}/role")
    async def change_role(
        request: AnyRequest, email: FromPath[str], data: JSONBody[Role]
    ) -> dict[str, str]:
        person = accounts.people.get(email)
        if person is None or person.org_id != signed_in(request).org_id:
            raise HTTPException("There is no such person.", status_code=404)
        target = Target(type="user", id=person.id, email=person.email, name=person.name)
        change = (person.role, data.role)
        person.role = data.role
        event_id = events.org_user_role_updated(target=target, role=change, **details(request))
        return {"event_id": event_id}

    @post("/activity")
    async def record(request: AnyRequest, data: JSONBody[Activity]) -> dict[str, str]:
        signed_in(request)
        event_id = events.custom(
            data.event,
            targets=data.targets,
            changes=data.changes,
            metadata=data.metadata,
            context=Context(service=data.service),
            **details(request),
        )
        return {"event_id": event_id}

    audit = DefineMiddleware(
        AuditMiddleware,  # type: ignore[arg-type]
        actor=lambda connection: connection.state.person,
        org_id=lambda connection: connection.state.person.org_id,
        trusted_proxies="127.0.0.0/8, ::1",
    )
    return Litestar(
        [sign_up, sign_in, sign_out, invite, change_role, *([record] if demonstration else [])],
        before_request=identify,
        middleware=[audit],
        openapi_config=None,
        # Litestar would set the root logger, so that ``make up`` prints each request of the sample.
        logging_config=None,
    )
