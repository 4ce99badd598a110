"""Secrets of a stack: made once, each different, readable by their owner alone."""

import os

import msgspec
import pytest

from orgtrail_deploy.local.secrets import ANALYSTS, Secrets, load_secrets, write_private
from orgtrail_schemas.access import passwords_wanted


def test_every_user_of_clickhouse_has_a_password_of_its_own(tmp_path):
    secrets = load_secrets(tmp_path)
    names = passwords_wanted() + [analyst.name for analyst in ANALYSTS]
    assert sorted(secrets.passwords) == sorted(names)
    everything = [*secrets.passwords.values(), secrets.service]
    assert len(set(everything)) == len(everything)
    assert min(map(len, everything)) >= 32


def test_they_are_made_once(tmp_path):
    assert load_secrets(tmp_path) == load_secrets(tmp_path)


def test_users_of_a_newer_version_get_passwords_and_the_others_keep_theirs(tmp_path):
    before = load_secrets(tmp_path)
    older = {k: v for k, v in before.passwords.items() if k not in ("audit_checker", "analyst")}
    write_private(tmp_path / "secrets.json", msgspec.json.encode(Secrets(older, before.service)))
    after = load_secrets(tmp_path)
    assert after.passwords.items() >= older.items()
    assert after.passwords.keys() == before.passwords.keys()
    assert after.service == before.service
    assert load_secrets(tmp_path) == after


def test_two_stacks_share_none(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    a, b = load_secrets(tmp_path / "a"), load_secrets(tmp_path / "b")
    assert not {a.service, *a.passwords.values()} & {b.service, *b.passwords.values()}


def test_only_the_owner_can_read_them(tmp_path):
    former = os.umask(0)
    try:
        load_secrets(tmp_path)
    finally:
        os.umask(former)
    assert (tmp_path / "secrets.json").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["secrets.json"]


def test_a_file_that_is_damaged_is_an_error_and_not_replaced(tmp_path):
    (tmp_path / "secrets.json").write_text("{")
    with pytest.raises(msgspec.DecodeError):
        load_secrets(tmp_path)
    assert (tmp_path / "secrets.json").read_text() == "{"


def test_a_private_file_is_replaced_whole(tmp_path):
    file = tmp_path / "x.json"
    file.write_text("old and longer")
    file.chmod(0o644)
    # What an interrupted write left is not in the way, and nobody who opened it reads the new data.
    (tmp_path / "x.new").write_text("left")
    with (tmp_path / "x.new").open() as opened:
        write_private(file, b"new")
        assert opened.read() == "left"
    assert file.read_bytes() == b"new"
    assert file.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["x.json"]


def test_a_link_in_the_place_of_the_draft_is_not_followed(tmp_path):
    (tmp_path / "victim").write_text("mine")
    (tmp_path / "x.new").symlink_to(tmp_path / "victim")
    write_private(tmp_path / "x.json", b"new")
    assert (tmp_path / "victim").read_text() == "mine"
