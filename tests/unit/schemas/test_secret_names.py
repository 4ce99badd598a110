import pytest

from orgtrail_schemas.catalogue import SHIPPED, catalogue, read_catalogue
from orgtrail_schemas.secret_names import SecretNames, words

SPELLINGS = [
    "Password",
    "newPassword",
    "new_password",
    "NEW-PASSWORD",
    "passwordHash",
    "password_confirmation",
    "user.password",
    "users[0].password",
    "db_password",
    "dbPassword",
    "DB_PASSWORD",
    "passwd",
    "pwd",
    "passphrase",
    "passcode",
    "apiKey",
    "api-key",
    "API_KEY",
    "apikey",
    "x-api-key",
    "X-Api-Key",
    "stripe_api_key",
    "accessKey",
    "aws_secret_access_key",
    "Authorization",
    "proxy-authorization",
    "set-cookie",
    "Cookie",
    "session_cookie",
    "sessionToken",
    "csrfToken",
    "access_token",
    "refreshToken",
    "id-token",
    "bearer",
    "jwt",
    "device_tokens",
    "client-secret",
    "clientSecret",
    "app_secret",
    "private_key",
    "privateKey",
    "signingKey",
    "ssh_key",
    "ssh-private-key-2",
    "webhook_secret",
    "mfa_seed",
    "totpSecret",
    "otp",
    "recoveryCodes",
    "backup_code",
    "securityAnswer",
    "cardNumber",
    "card-number",
    "credit_card",
    "cvc",
    "cvv",
    "pin",
    "iban",
    "IBAN",
    "ssn",
    "credentials",
    "connection_string",
    "database_url",
]


@pytest.mark.parametrize("name", SPELLINGS)
def test_a_secret_is_one_under_any_spelling(name):
    known = catalogue()
    for event in ("org.user.role.updated", "shop.sold"):
        assert known.change_sensitivity(event, name) == "secret"
        assert known.metadata_sensitivity(event, name) == "secret"


@pytest.mark.parametrize(
    "name",
    ["shipping", "opinion", "spinner", "company", "expanded", "assigned", "passenger", "seedling",
     "authority", "authenticated_at", "phone", "country", "role", "tokenize", "compass", "hotpink"],
)  # fmt: skip
def test_a_word_that_only_contains_the_letters_is_none(name):
    assert catalogue().metadata_sensitivity("org.user.role.updated", name) == "personal"


def test_what_an_event_declares_is_not_judged_by_its_name(tmp_path):
    own = tmp_path / "ours.toml"
    own.write_text(
        '[[event]]\nkey = "shop.key.used"\nname = "Key used"\ndescription = ""\ntarget = "key"\n'
        'metadata = { api_key_label = "public", api_key = "public" }\n'
    )
    known = read_catalogue(SHIPPED, own)
    assert known.metadata_sensitivity("shop.key.used", "api_key_label") == "public"
    assert known.metadata_sensitivity("shop.key.used", "other_api_key") == "secret"
    # A name of the table itself is a secret, whatever an event says.
    assert known.metadata_sensitivity("shop.key.used", "apiKey") == "secret"
    assert "user.login" in known.events


def test_words():
    assert words("newPassword") == ("new", "password")
    assert words("HTTPServer-x_y.z[0]") == ("http", "server", "x", "y", "z", "0")


def test_an_empty_table_knows_no_secret():
    assert not SecretNames([]).contained("password")
