from types import SimpleNamespace

import pytest
from litestar.datastructures import Headers
from tests.support.query_parts import FakeDatabase, fake_parts

from orgtrail_query_service.auth.administrator import Administrator
from orgtrail_query_service.auth.authorize import (
    authorize,
    authorize_export,
    caller,
    request_context,
)
from orgtrail_query_service.problems import Problem, issuer_unavailable, unauthenticated

ALICE = Administrator("alice", ("acme",))


@pytest.fixture
def request_of():
    parts = fake_parts(FakeDatabase())

    def make(user, problem=None, headers=None, host="203.0.113.7"):
        return SimpleNamespace(
            user=user,
            auth=problem,
            client=SimpleNamespace(host=host) if host else None,
            headers=Headers(headers or {}),
            app=SimpleNamespace(state=SimpleNamespace(parts=parts)),
        )

    return make


@pytest.mark.parametrize("problem", [unauthenticated("no token"), issuer_unavailable()])
@pytest.mark.parametrize("ask", [caller, lambda r: authorize(r, "acme")])
def test_nobody_gets_the_problem_that_authentication_found(request_of, audit, ask, problem):
    with pytest.raises(Problem) as raised:
        ask(request_of(None, problem))
    assert raised.value is problem
    assert audit.events == []


def test_the_first_view_is_recorded_with_who_and_where(request_of, audit):
    headers = {"User-Agent": "curl/8", "X-Request-Id": "r-1"}
    assert authorize(request_of(ALICE, headers=headers), "acme").org == "acme"
    assert authorize(request_of(ALICE, headers=headers), "acme").org == "acme"
    (viewed,) = audit.events
    assert (viewed.event, viewed.org_id) == ("org.audit-log.viewed", "acme")
    assert viewed.actor.id == "alice"
    assert (viewed.context.ip, viewed.context.user_agent) == ("203.0.113.7", "curl/8")
    assert viewed.context.request_id == "r-1"


def test_an_export_is_not_recorded_as_a_view(request_of, audit):
    assert authorize_export(request_of(ALICE), "acme").org == "acme"
    assert audit.events == []


@pytest.mark.parametrize("check", [authorize, authorize_export])
@pytest.mark.parametrize("org", ["globex", "ACME", ""])
def test_another_organization_is_not_found_and_not_recorded(request_of, audit, check, org):
    with pytest.raises(Problem) as raised:
        check(request_of(ALICE), org)
    assert raised.value.status == 404
    assert audit.events == []


def test_a_request_without_an_address_has_an_empty_one(request_of):
    context = request_context(request_of(ALICE, host=None))
    assert (context.ip, context.user_agent, context.request_id) == ("", None, None)
