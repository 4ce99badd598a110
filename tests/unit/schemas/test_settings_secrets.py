"""Secrets of the settings: given directly or in a file, rotated, and never shown."""

import copy
import pickle
import traceback

import msgspec
import pytest

from orgtrail_schemas.settings import Secret, Settings, SettingsError

HIDDEN = "hunter2"


class Example(Settings, frozen=True, kw_only=True):
    password: Secret = Secret("")
    token: Secret | None = None
    port: int = 1


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "secret"
    path.write_text(f"{HIDDEN}\n")
    return path


@pytest.mark.parametrize("name", ["password", "token"])
def test_a_secret_is_given_directly_or_in_a_file(name, file):
    variable = f"ORGTRAIL_{name.upper()}"
    for settings in (
        Example.load({variable: HIDDEN}),
        Example.load({f"{variable}_FILE": str(file)}),
        Example.load({}, **{name: HIDDEN}),
        Example.load({}, **{name: Secret(HIDDEN)}),
        Example.load({}, **{f"{name}_file": file}),
        Example(**{name: HIDDEN}),
    ):
        assert getattr(settings, name).reveal() == HIDDEN


def test_the_value_wins_over_the_file_and_what_is_given_over_the_environment(file):
    both = {"ORGTRAIL_TOKEN": "direct", "ORGTRAIL_TOKEN_FILE": str(file)}
    assert Example.load(both).token.reveal() == "direct"
    assert Example.load(both, token_file=file).token.reveal() == HIDDEN
    assert Example.load(both, token=None).token is None


def test_a_secret_that_is_not_set_is_false_and_empty():
    settings = Example.load({"ORGTRAIL_PASSWORD": "", "ORGTRAIL_TOKEN_FILE": ""})
    assert (bool(settings.password), settings.password.reveal()) == (False, "")
    assert settings.token is None
    assert Secret(HIDDEN)


def test_a_rotated_file_is_read_again(file):
    secret = Example.load({"ORGTRAIL_TOKEN_FILE": str(file)}).token
    assert secret
    assert secret.reveal() == HIDDEN
    file.write_text("  rotated \n")
    assert secret.reveal() == "rotated"


def test_a_relative_file_is_found_from_another_working_directory(file, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    secret = Example.load({"ORGTRAIL_TOKEN_FILE": file.name}).token
    monkeypatch.chdir("/")
    assert secret.reveal() == HIDDEN


@pytest.mark.parametrize(
    ("break_it", "reason"),
    [
        (lambda path: path.unlink(), "No such file or directory"),
        (lambda path: (path.unlink(), path.mkdir()), "Is a directory"),
        (lambda path: path.write_bytes(HIDDEN.encode() + b"\xff"), "UnicodeDecodeError"),
    ],
)
def test_a_file_that_cannot_be_read_is_named_with_its_variable(file, break_it, reason):
    secret = Example.load({"ORGTRAIL_TOKEN_FILE": str(file)}).token
    break_it(file)
    with pytest.raises(SettingsError) as refused:
        secret.reveal()
    assert str(refused.value) == f"ORGTRAIL_TOKEN_FILE: {file} cannot be read: {reason}"
    assert HIDDEN not in "".join(traceback.format_exception(refused.value))


def test_a_secret_is_never_shown():
    settings = Example.load({"ORGTRAIL_PASSWORD": HIDDEN}, token=HIDDEN)
    assert repr(settings) == "Example(password=Secret(***), token=Secret(***), port=1)"
    for shown in (str(settings), f"{settings.token}", f"{settings.token!r:>20}", str([settings])):
        assert HIDDEN not in shown
    with pytest.raises(TypeError):
        msgspec.json.encode(settings)


def test_a_copied_or_pickled_secret_is_not_shown_and_still_known():
    for twin in (copy.deepcopy(Secret(HIDDEN)), pickle.loads(pickle.dumps(Secret(HIDDEN)))):
        assert (twin.reveal(), repr(twin)) == (HIDDEN, "Secret(***)")


def test_an_error_about_another_setting_shows_no_secret():
    with pytest.raises(SettingsError) as refused:
        Example.load({"ORGTRAIL_PASSWORD": HIDDEN, "ORGTRAIL_PORT": "x"}, token=HIDDEN)
    assert HIDDEN not in "".join(traceback.format_exception(refused.value))
