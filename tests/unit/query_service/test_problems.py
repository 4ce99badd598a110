import msgspec
import pytest

from orgtrail_query_service import problems
from orgtrail_query_service.problems import Problem

ALL = [
    (problems.bad_parameter("since", "must be a time"), "bad-parameter", 400),
    (problems.bad_request(), "bad-request", 400),
    (problems.unauthenticated("no token"), "unauthenticated", 401),
    (problems.not_found(), "not-found", 404),
    (problems.not_acceptable(["text/csv", "a/b"]), "not-acceptable", 406),
    (problems.too_expensive(), "too-expensive", 422),
    (problems.too_many(7), "too-many-requests", 429),
    (problems.too_many_exports(4), "too-many-exports", 429),
    (problems.too_many_organizations(3000), "too-many-organizations", 403),
    (problems.unavailable(), "unavailable", 503),
    (problems.not_recorded(), "not-recorded", 503),
    (problems.issuer_unavailable(), "issuer-unavailable", 503),
]


@pytest.mark.parametrize(("problem", "kind", "status"), ALL, ids=lambda value: str(value)[:20])
def test_types_and_statuses_are_stable(problem, kind, status):
    body = msgspec.json.decode(msgspec.json.encode(problem.body))
    assert body == {
        "type": f"urn:orgtrail:problem:{kind}",
        "title": problem.title,
        "status": status,
        "detail": problem.detail,
    }
    assert problem.title
    assert problem.detail


@pytest.mark.parametrize("problem", [problem for problem, _, status in ALL if status in (429, 503)])
def test_whoever_may_try_again_is_told_when(problem):
    assert int(dict(problem.headers)["Retry-After"]) > 0


def test_a_limit_says_its_seconds_in_both_places():
    problem = problems.too_many(7)
    assert dict(problem.headers)["Retry-After"] == "7"
    assert "7 seconds" in problem.detail


def test_a_401_names_its_scheme():
    assert dict(problems.unauthenticated("x").headers) == {"WWW-Authenticate": "Bearer"}


def test_a_bad_parameter_is_named():
    assert problems.bad_parameter("since", "must be a time").detail == "since: must be a time"


def test_no_other_function_makes_a_problem():
    made = {kind.replace("-", "_") for _, kind, _ in ALL} - {"too_many_requests"} | {"too_many"}
    found = {
        name
        for name, value in vars(problems).items()
        if callable(value) and getattr(value, "__annotations__", {}).get("return") == "Problem"
    }
    assert found == made


def test_a_problem_can_be_raised_again_with_another_cause():
    problem = problems.not_found()
    for cause in (ValueError(), KeyError()):
        with pytest.raises(Problem) as raised:
            raise problem from cause
        assert raised.value.__cause__ is cause
    assert problem != problems.not_found()
