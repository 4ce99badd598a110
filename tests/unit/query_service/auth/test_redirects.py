import pytest

from orgtrail_query_service.auth.redirects import own_path


@pytest.mark.parametrize(
    "path",
    ["/", "/orgs/acme/audit-logs?user=bob%40x.org&last=7d", "/a//b", "/?next=//evil.example"],
)
def test_a_path_of_this_service_stays(path):
    assert own_path(path) == path


@pytest.mark.parametrize(
    "path",
    [
        "",
        "orgs",
        "https://evil.example/",
        "javascript:alert(1)",
        "//evil.example",
        "///evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "/a\\..\\evil",
        "/\t/evil.example",
        "/\n/evil.example",
        "/\r\nSet-Cookie: a=b",
        " //evil.example",
        "/\x00",
        "/\u202eevil",
        "/\u2028",
    ],
    ids=ascii,
)
def test_nobody_is_sent_elsewhere(path):
    assert own_path(path) == "/"
