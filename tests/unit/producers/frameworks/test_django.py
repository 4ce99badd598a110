"""Django both ways: its own users, sessions and test clients, synchronous and asynchronous."""

import asyncio
import io
import threading
from types import SimpleNamespace

import django
import pytest
from asgiref.sync import sync_to_async
from django.conf import settings
from django.http import FileResponse, HttpResponse, StreamingHttpResponse
from django.urls import path

from orgtrail import Actor, SettingsError, emit
from orgtrail import scope as scopes

MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "orgtrail.django.AuditMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
]

if not settings.configured:
    settings.configure(
        ALLOWED_HOSTS=["*"],
        DATABASES={
            "default": {
                "ENGINE": "django.db.backends.sqlite3",
                "NAME": "file:orgtrail?mode=memory&cache=shared",
            }
        },
        INSTALLED_APPS=[
            "django.contrib.auth",
            "django.contrib.contenttypes",
            "django.contrib.sessions",
        ],
        MIDDLEWARE=MIDDLEWARE,
        PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],
        ROOT_URLCONF=__name__,
        SECRET_KEY="test",
        USE_TZ=True,
    )
    django.setup()

from django.core.management import call_command  # noqa: E402
from django.test import AsyncClient, Client, RequestFactory, override_settings  # noqa: E402


def record(reason="call"):
    return emit("user.logout", org_id="acme", metadata={"reason": reason})


def plain(_request):
    return HttpResponse(record())


async def plain_async(_request):
    return HttpResponse(record())


async def loaded_async(request):
    await request.auser()
    return HttpResponse(record())


def org(_request):
    return HttpResponse(emit("user.logout"))


def stream(_request):
    def parts():
        record("stream")
        yield "part"

    return StreamingHttpResponse(parts())


async def stream_async(_request):
    async def parts():
        await asyncio.sleep(0)
        record("stream")
        yield "part"

    return StreamingHttpResponse(parts())


def file(_request):
    return FileResponse(io.BytesIO(b"file"))


def token(request):
    request.user = SimpleNamespace(pk=9, is_authenticated=True)
    return HttpResponse(record())


def thread(_request):
    work = threading.Thread(target=scopes.bind(record))
    work.start()
    work.join()
    return HttpResponse("ok")


def broken(_request):
    record()
    raise KeyError


VIEWS = [plain, plain_async, loaded_async, org, stream, stream_async, file, token, thread, broken]
urlpatterns = [path(f"{view.__name__}/", view) for view in VIEWS]


def failing(_request):
    raise LookupError


def header_user(request):
    return {"id": request.headers["X-User"]}


def header_org(request):
    return request.headers["X-Org"]


@pytest.fixture(scope="module")
def user():
    from django.contrib.auth.models import User
    from django.db import connections

    kept = connections["default"]
    kept.inc_thread_sharing()
    call_command("migrate", verbosity=0)
    yield User.objects.create_user(
        "alice", "Alice@acme.example", "pw", first_name="Alice", last_name="Moreau"
    )
    kept.dec_thread_sharing()
    kept.close()


def expected(user):
    return Actor(id=str(user.pk), email="Alice@acme.example", name="Alice Moreau")


@pytest.mark.parametrize("view", ["plain", "plain_async", "loaded_async"])
def test_the_signed_in_user_with_the_synchronous_client(events, user, view):
    client = Client()
    client.force_login(user)
    sent = {"HTTP_X_REQUEST_ID": "req-1", "REMOTE_ADDR": "203.0.113.9"}
    answer = client.get(f"/{view}/", **sent)
    (event,) = events
    assert answer.content.decode() == event.event_id
    assert event.actor == expected(user)
    assert (event.context.ip, event.context.request_id) == ("203.0.113.9", "req-1")


@pytest.mark.parametrize("view", ["plain", "plain_async", "loaded_async"])
async def test_the_signed_in_user_with_the_asynchronous_client(events, user, view):
    client = AsyncClient()
    await sync_to_async(client.force_login)(user)
    assert (await client.get(f"/{view}/", headers={"x-request-id": "req-1"})).status_code == 200
    (event,) = events
    assert event.actor == expected(user)
    assert event.context.request_id == "req-1"


def test_the_middleware_does_not_look_at_the_user_of_requests_that_emit_nothing(user):
    client = Client()
    client.force_login(user)
    answer = client.get("/file/")
    assert b"".join(answer.streaming_content) == b"file"
    assert "Vary" not in answer.headers


def test_a_file_stays_one_that_servers_send_faster():
    from orgtrail.django import AuditMiddleware

    answer = AuditMiddleware(file)(RequestFactory().get("/"))
    assert answer.file_to_stream is not None


def test_a_user_that_a_view_sets(events):
    Client().get("/token/")
    assert events[0].actor.id == "9"


def test_nobody_is_signed_in(events, user):
    assert Client().get("/plain/").status_code == 200
    assert [event.actor.id for event in events] == ["unknown"]


@pytest.mark.parametrize("view", ["stream", "stream_async"])
async def test_streaming_responses_both_ways(events, user, view):
    client, asynchronous = Client(), AsyncClient()
    await sync_to_async(client.force_login)(user)
    asynchronous.cookies = client.cookies
    answer = await asynchronous.get(f"/{view}/")
    if answer.is_async:
        parts = [part async for part in answer.streaming_content]
    else:
        parts = await sync_to_async(lambda: [*answer.streaming_content])()
    assert parts == [b"part"]
    if view == "stream":
        answer = await sync_to_async(client.get)("/stream/")
        assert await sync_to_async(answer.getvalue)() == b"part"
    assert {event.actor.email for event in events} == {"Alice@acme.example"}
    assert len(events) == (2 if view == "stream" else 1)


def test_a_thread_of_a_view(events, user):
    client = Client()
    client.force_login(user)
    client.get("/thread/")
    assert events[0].actor == expected(user)


def test_a_view_that_fails_leaves_no_scope_behind(events, user):
    client = Client(raise_request_exception=False)
    client.force_login(user)
    assert client.get("/broken/").status_code == 500
    assert len(events) == 1


def test_functions_of_the_settings(events):
    with override_settings(
        ORGTRAIL_ACTOR=f"{__name__}.header_user",
        ORGTRAIL_ORG_ID=f"{__name__}.header_org",
        ORGTRAIL_TRUSTED_PROXIES=["127.0.0.0/8"],
    ):
        sent = {"X-User": "u-7", "X-Org": "globex", "X-Forwarded-For": "6.6.6.6, 203.0.113.9:80"}
        assert Client().get("/org/", headers=sent).status_code == 200
    (event,) = events
    assert (event.actor.id, event.org_id, event.context.ip) == ("u-7", "globex", "203.0.113.9")


async def test_a_function_that_fails_stops_nothing(events):
    with override_settings(ORGTRAIL_ACTOR=f"{__name__}.failing"):
        assert (await AsyncClient().get("/plain_async/")).status_code == 200
    assert events[0].actor.id == "unknown"


def test_wrong_networks_stop_the_start():
    with override_settings(ORGTRAIL_TRUSTED_PROXIES="*"), pytest.raises(SettingsError):
        Client().get("/plain/")


async def test_a_hundred_requests_at_once_do_not_mix(events):
    with override_settings(ORGTRAIL_ACTOR=f"{__name__}.header_user"):
        client = AsyncClient()
        await asyncio.gather(
            *(
                client.get(
                    f"/{('plain', 'plain_async')[n % 2]}/",
                    headers={"x-user": f"u-{n}", "x-request-id": f"u-{n}"},
                )
                for n in range(100)
            )
        )
    assert len({event.actor.id for event in events}) == 100
    assert all(event.actor.id == event.context.request_id for event in events)
