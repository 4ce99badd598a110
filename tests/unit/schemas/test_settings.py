"""Settings: loaded from the environment, checked with the variable's name, and without secrets."""

from pathlib import Path
from typing import Annotated

import pytest
from msgspec import field

from orgtrail_schemas.settings import (
    Described,
    Secret,
    Settings,
    SettingsError,
    about,
    described,
    require_readable,
    wrong,
)


class Store(Settings, frozen=True, kw_only=True):
    port: Annotated[int, about("The port.", ge=1, le=65_535)] = 8123
    secure: Annotated[bool, about("Whether to encrypt.")] = False
    ca_file: Path | None = None

    def check(self, prefix):
        super().check(prefix)
        if self.secure and self.ca_file is None:
            raise wrong(f"{prefix}CA_FILE", "is required by SECURE")


class Example(Settings, frozen=True, kw_only=True):
    name: str
    store: Store = field(default_factory=Store)
    store_user: str = "writer"
    password: Annotated[Secret, about("The password.")] = Secret("")
    token: Secret | None = None
    folder: Path = Path("var")
    names: list[str] = field(default_factory=lambda: ["a", "b"])
    ratio: Annotated[float, about("", ge=0, le=1)] = 0.5


def load(**variables):
    return Example.load({"ORGTRAIL_NAME": "n"} | {f"ORGTRAIL_{k}": v for k, v in variables.items()})


def test_settings_come_from_the_process_environment_by_default(monkeypatch):
    monkeypatch.setenv("ORGTRAIL_NAME", "from outside")
    assert Example.load().name == "from outside"


def test_a_given_value_wins_over_the_environment_and_the_environment_over_the_default():
    settings = Example.load({"ORGTRAIL_NAME": "a", "ORGTRAIL_STORE_PORT": "1"}, name="b")
    assert (settings.name, settings.store.port, settings.ratio) == ("b", 1, 0.5)


def test_another_prefix_reads_other_variables():
    assert Example.load({"X_NAME": "x", "ORGTRAIL_NAME": "n"}, prefix="X_").name == "x"


@pytest.mark.parametrize("name", ["STORE_PORT", "STORE_CA_FILE", "FOLDER", "NAMES", "TOKEN_FILE"])
def test_an_empty_variable_counts_as_not_set(name):
    assert repr(load(**{name: ""})) == repr(load())


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("true", True), ("True", True), ("1", True), ("yes", True), ("ON", True),
        ("false", False), ("FALSE", False), ("0", False), ("No", False), ("off", False),
    ],
)  # fmt: skip
def test_a_boolean_may_be_spelled_in_several_ways(text, value):
    assert load(STORE_SECURE=text, STORE_CA_FILE="/ca.pem").store.secure is value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a", ["a"]), (" a , b,,", ["a", "b"]), ('["a,b", "c"]', ["a,b", "c"]), (" []", []),
        (",", []),
    ],
)  # fmt: skip
def test_a_list_is_comma_separated_or_json(text, value):
    assert load(NAMES=text).names == value


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("STORE_PORT", "http"), ("STORE_PORT", "0"), ("STORE_PORT", "1.5"), ("RATIO", "1.1"),
        ("RATIO", "half"), ("STORE_SECURE", "perhaps"), ("NAMES", '["a"'), ("NAMES", "[1]"),
    ],
)  # fmt: skip
def test_a_wrong_value_is_an_error_of_one_line_that_begins_with_the_variable(name, text):
    with pytest.raises(SettingsError, match=rf"^ORGTRAIL_{name}: [^\n]+$") as refused:
        load(**{name: text})
    assert refused.value.__suppress_context__


def test_a_missing_value_is_named_and_an_empty_one_is_missing():
    for environment in ({}, {"ORGTRAIL_NAME": ""}):
        with pytest.raises(SettingsError, match=r"^ORGTRAIL_NAME: is required$"):
            Example.load(environment)


def test_a_given_value_that_is_not_a_setting_is_refused():
    with pytest.raises(SettingsError, match=r"^nmae is not a setting$"):
        Example.load({}, name="n", nmae="m")


def test_nested_settings_are_read_under_the_name_of_their_field():
    settings = load(STORE_PORT="9", STORE_USER="reader")
    assert (settings.store.port, settings.store_user) == (9, "reader")
    settings = Example.load({}, name="n", store_port=9, store_user="reader")
    assert (settings.store.port, settings.store_user) == (9, "reader")
    assert Example.load({}, name="n", store=Store(port=7)).store.port == 7


def test_nested_settings_check_themselves_with_their_whole_prefix():
    with pytest.raises(SettingsError, match=r"^ORGTRAIL_STORE_CA_FILE: is required by SECURE$"):
        load(STORE_SECURE="yes")


def test_paths_are_absolute_whatever_the_working_directory_becomes(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    settings = load(FOLDER="x/y", STORE_CA_FILE="ca.pem")
    assert (settings.folder, settings.store.ca_file) == (tmp_path / "x/y", tmp_path / "ca.pem")
    assert Example.load({}, name="n", folder=Path("z")).folder == tmp_path / "z"


def test_a_path_that_is_given_empty_is_refused():
    with pytest.raises(SettingsError, match=r"^ORGTRAIL_FOLDER: must be a path"):
        Example.load({}, name="n", folder="")


def test_require_readable_names_the_variable(tmp_path):
    require_readable("X", None)
    require_readable("X", tmp_path)
    with pytest.raises(SettingsError, match=r"^X: .*/gone cannot be read$"):
        require_readable("X", tmp_path / "gone")


def test_every_variable_is_described():
    assert {d.variable: d for d in described(Example)} == {
        d.variable: d
        for d in [
            Described("ORGTRAIL_NAME", None, ""),
            Described("ORGTRAIL_STORE_PORT", "8123", "The port."),
            Described("ORGTRAIL_STORE_SECURE", "False", "Whether to encrypt."),
            Described("ORGTRAIL_STORE_CA_FILE", "", ""),
            Described("ORGTRAIL_STORE_USER", "writer", ""),
            Described("ORGTRAIL_PASSWORD", "", "The password."),
            Described("ORGTRAIL_PASSWORD_FILE", "", "A file that contains ORGTRAIL_PASSWORD."),
            Described("ORGTRAIL_TOKEN", "", ""),
            Described("ORGTRAIL_TOKEN_FILE", "", "A file that contains ORGTRAIL_TOKEN."),
            Described("ORGTRAIL_FOLDER", "var", ""),
            Described("ORGTRAIL_NAMES", "a,b", ""),
            Described("ORGTRAIL_RATIO", "0.5", ""),
        ]
    }
