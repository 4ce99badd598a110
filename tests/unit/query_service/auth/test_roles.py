import pytest

from orgtrail_query_service.auth.roles import (
    MISSING,
    UnknownShapeError,
    find_claim,
    organizations_with,
)

CLAIMS = {
    "org_roles": 1,
    "https://example.com/claims/roles": 2,
    "realm_access": {"roles": 3, "a.b": {"c": 4}},
    "realm_access.roles.x": 5,
    "text": "not a map",
}


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("org_roles", 1),
        ("https://example.com/claims/roles", 2),
        ("realm_access.roles", 3),
        ("realm_access.a.b.c", 4),
        ("realm_access.roles.x", 5),
        ("realm_access.missing", MISSING),
        ("text.roles", MISSING),
        ("", MISSING),
        (".", MISSING),
    ],
)
def test_a_name_may_lead_into_claims_within_claims(name, found):
    assert find_claim(CLAIMS, name) is found


def test_an_organization_is_given_once_in_the_order_of_the_claim():
    bound = ["b:admin", "a:auditor", "b:auditor", "c:member"]
    assert organizations_with(bound, {"admin", "auditor"}) == ("b", "a")


@pytest.mark.parametrize("org", ["unassigned", "", "a b", "é", "a/b", "x" * 129])
def test_no_role_opens_what_is_no_organization(org):
    assert organizations_with({org: "admin"}, {"admin"}) == ()
    assert organizations_with([f"{org}:admin"], {"admin"}) == ()


@pytest.mark.parametrize(
    ("bound", "shape"),
    [
        (5, "int"),
        (None, "NoneType"),
        ([{"org": "a"}, 1], "list of dict, int"),
        ({"acme": 5}, "int"),
        ({"acme": [None]}, "list of NoneType"),
    ],
    ids=str,
)
def test_another_shape_is_told_by_its_types(bound, shape):
    with pytest.raises(UnknownShapeError, match=f"^{shape}$"):
        organizations_with(bound, {"admin"})
