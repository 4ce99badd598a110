import pytest

from orgtrail import Actor, AuditError, Change, Target
from orgtrail.build import make_event
from orgtrail.testing.strict import check_listed
from orgtrail.typed.unlisted import UnlistedError
from orgtrail_schemas.catalogue import Catalogue, EventType, catalogue

ALICE = Actor(id="u-1")
BOB = Target(type="user", id="u-2")
NOW_MS = 1_800_000_000_000


def made(event, **arguments):
    from datetime import UTC, datetime

    (one,) = make_event(
        event,
        org_id="acme",
        actor=ALICE,
        event_id="00000000-0000-4000-8000-000000000000",
        occurred_at=datetime.fromtimestamp(NOW_MS / 1000, UTC),
        now_ms=NOW_MS,
        **arguments,
    )
    return one


@pytest.mark.parametrize(
    ("event", "arguments", "problem"),
    [
        ("user.logn", {}, r"user\.logn is not in the catalogue \(maybe user\.login\?\)"),
        ("zzz", {}, r"zzz is not in the catalogue$"),
        (
            "org.user.role.updated",
            {"targets": BOB, "changes": Change(field="roel")},
            r"org\.user\.role\.updated: the catalogue declares no change field roel \(maybe role\?\);"
            " declared: role",
        ),
        (
            "user.login",
            {"metadata": {"methd": "x"}},
            "no metadata key methd .*declared: method, fail",
        ),
        ("user.login", {"metadata": {"token": "x"}}, "no metadata key token"),
        ("org.invitation.declined", {"metadata": {"x": "y"}}, "declared: none"),
        (
            "org.user.role.updated",
            {"targets": Target(type="usr", id="u-2")},
            r"no target type usr \(maybe user\?\); declared: user",
        ),
    ],
)
def test_what_the_catalogue_does_not_declare(event, arguments, problem):
    with pytest.raises(UnlistedError, match=problem) as caught:
        check_listed(made(event, **arguments), catalogue())
    assert isinstance(caught.value, AuditError)


def test_what_it_declares():
    check_listed(made("user.login", metadata={"method": "sso"}), catalogue())
    changes = Change(field="role", old="a", new="b")
    check_listed(made("org.user.role.updated", targets=BOB, changes=changes), catalogue())


def test_a_service_account_may_be_the_target_of_its_own_event():
    robot = Actor(type="service_account", id="r-1")
    (one,) = make_event("user.login", org_id="acme", actor=robot, event_id=None, now_ms=NOW_MS)
    check_listed(one, catalogue())


def test_the_catalogue_of_a_company():
    ours = Catalogue([EventType(key="a.b", name="x", description="y", target="order")], {})
    check_listed(made("a.b", targets=Target(type="order", id="1")), ours)
    with pytest.raises(UnlistedError):
        check_listed(made("user.login"), ours)
