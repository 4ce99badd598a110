"""A service that emits one event for each request, in every form that a server can load.

The producer is made, and has emitted, when this module is imported: where a server forks
afterwards, the parent has a live thread and an open spool by then. ORG is the organization.
"""

from __future__ import annotations

import os

from orgtrail import Actor, AuditProducer

ORG = os.environ["ORG"]

audit = AuditProducer()
audit.emit("user.login", org_id=f"{ORG}-boot", actor=Actor(id="boot"))


def record(number: str) -> str:
    return audit.emit("user.login", org_id=ORG, actor=Actor(id=number))


def wsgi(environ, start_response):
    body = record(environ["QUERY_STRING"]).encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]


async def asgi(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            await send({"type": message["type"] + ".complete"})
            if message["type"] == "lifespan.shutdown":
                return
    body = record(scope["query_string"].decode()).encode()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body})
