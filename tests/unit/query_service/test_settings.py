import pytest
from tests.support.query_parts import SETTINGS, FakeDatabase, fake_parts

from orgtrail_query_service.app import make_app
from orgtrail_query_service.settings import ROUTES, QuerySettings
from orgtrail_schemas.settings import SettingsError

GOOD = {"ORGTRAIL_JWT_ISSUER": "https://issuer.example", "ORGTRAIL_SECRET": "s" * 32}


def load(**variables):
    given = {f"ORGTRAIL_{name}": value for name, value in variables.items()}
    return QuerySettings.load({k: v for k, v in (GOOD | given).items() if v is not None})


def test_two_settings_are_enough_and_safe():
    settings = load()
    assert (settings.host, settings.secure_cookies, settings.record_exports) == (
        "127.0.0.1",
        True,
        "required",
    )
    assert settings.jwt_algorithms == ["RS256", "ES256", "Ed25519", "EdDSA"]
    assert (settings.oidc_client_id, settings.sign_in_dir, settings.trusted_proxies) == (
        None,
        None,
        "",
    )


@pytest.mark.parametrize("name", ["JWT_ISSUER", "SECRET"])
@pytest.mark.parametrize("value", [None, ""])
def test_what_is_missing_is_named(name, value):
    with pytest.raises(SettingsError, match=f"ORGTRAIL_{name}"):
        load(**{name: value})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "0"),
        ("PORT", "65536"),
        ("PORT", "http"),
        ("SESSION_HOURS", "0"),
        ("SESSION_HOURS", "9"),
        ("RATE_LIMIT", "0"),
        ("WORKERS", "0"),
        ("WORKERS", "65"),
        ("SHUTDOWN_SECONDS", "0"),
        ("RECORD_EXPORTS", "maybe"),
        ("SECURE_COOKIES", "perhaps"),
        ("JWKS_FILE", "/nowhere/jwks.json"),
        ("CLICKHOUSE_PORT", "0"),
        ("CLICKHOUSE_CA_FILE", "/nowhere/ca.pem"),
    ],
)
def test_a_value_that_cannot_be_used_is_named(name, value):
    with pytest.raises(SettingsError, match=f"^ORGTRAIL_{name}: "):
        load(**{name: value})


def test_a_short_secret_is_refused_and_not_shown(tmp_path):
    file = tmp_path / "secret"
    file.write_text("hunter2" + " " * 40)
    for given in ({"SECRET": "hunter2" * 4}, {"SECRET": None, "SECRET_FILE": str(file)}):
        with pytest.raises(SettingsError, match=r"^ORGTRAIL_SECRET: must have 32") as raised:
            load(**given)
        assert "hunter2" not in str(raised.value)


def test_no_secret_is_in_a_repr():
    settings = load(
        SECRET="hunter2" * 5,
        OIDC_CLIENT_SECRET="hunter2",
        CLICKHOUSE_READER_PASSWORD="hunter2",
        CLICKHOUSE_EXPORT_PASSWORD="hunter2",
    )
    assert "hunter2" not in repr(settings)
    assert settings.oidc_client_secret.reveal() == "hunter2"


@pytest.mark.parametrize(
    "algorithms", ["none", "HS256", "RS256, HS512", "ES256,none", ",", "[]", '["HS384"]']
)
def test_algorithms_that_anyone_could_sign_with_are_refused(algorithms):
    with pytest.raises(SettingsError, match=r"^ORGTRAIL_JWT_ALGORITHMS: must be asymmetric"):
        load(JWT_ALGORITHMS=algorithms)


def test_algorithms_are_a_list_with_commas():
    assert load(JWT_ALGORITHMS="RS512, PS256").jwt_algorithms == ["RS512", "PS256"]


@pytest.mark.parametrize(
    "address",
    ["http://127.0.0.1:8000", "http://localhost/", "http://[::1]:1", "http://id.localhost:1"],
)
def test_keys_may_come_from_this_machine_without_https(address):
    assert load(JWKS_URL=address, JWT_ISSUER=address, OIDC_CLIENT_ID="page")


@pytest.mark.parametrize(
    "address",
    [
        "http://issuer.example",
        "issuer.example",
        "ftp://issuer.example",
        "http://127.0.0.1.evil.example",
        "http://localhost.evil.example",
        "http://evillocalhost",
        "http://localhost@evil.example",
        "http://evil.example/127.0.0.1",
    ],
)
def test_keys_must_not_come_over_an_open_network(address):
    with pytest.raises(SettingsError, match=r"^ORGTRAIL_JWKS_URL: .* https://"):
        load(JWKS_URL=address)
    for given in ({}, {"OIDC_CLIENT_ID": "page", "JWKS_URL": "https://issuer.example/keys"}):
        with pytest.raises(SettingsError, match=r"^ORGTRAIL_JWT_ISSUER: .* https://"):
            load(JWT_ISSUER=address, **given)


def test_an_issuer_that_is_never_asked_may_have_any_name(tmp_path):
    file = tmp_path / "jwks.json"
    file.write_text("{}")
    assert load(JWT_ISSUER="urn:orgtrail:local", JWKS_FILE=str(file)).jwks_file == file
    assert load(JWT_ISSUER="urn:orgtrail:local", JWKS_URL="https://issuer.example/keys")


@pytest.mark.parametrize(
    ("address", "prefix"),
    [
        ("https://example.com", ""),
        ("https://example.com/", ""),
        ("https://example.com/audit/", "/audit"),
        ("https://example.com/a/b.c", "/a/b.c"),
    ],
)
def test_the_public_address_may_have_a_path(address, prefix):
    assert load(PUBLIC_URL=address).path_prefix == prefix


@pytest.mark.parametrize(
    "address",
    [
        "example.com",
        "ftp://example.com",
        "https://",
        "https://example.com?x=1",
        "https://example.com/v1",
        "https://example.com/orgs/x",
        "https://example.com/a b",
        'https://example.com/"x',
    ],
)
def test_a_public_address_that_cannot_work_is_refused(address):
    with pytest.raises(SettingsError, match="ORGTRAIL_PUBLIC_URL"):
        load(PUBLIC_URL=address)


def test_no_route_is_missing_among_the_prefixes_that_are_refused():
    app = make_app(SETTINGS, fake_parts(FakeDatabase()))
    assert {route.path.split("/")[1] for route in app.routes} - {""} <= ROUTES | {"sign-in"}
