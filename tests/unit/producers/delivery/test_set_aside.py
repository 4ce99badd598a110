"""What cannot be delivered is kept in files of its own, within a bound, for one user alone."""

import errno
import os

import pytest

from orgtrail.delivery.set_aside import (
    Refused,
    aside_folder,
    read_refused,
    set_damage_aside,
    set_refused_aside,
)
from orgtrail.envelope import Envelope

ENVELOPE = Envelope(1, 2, "acme", b"value", "id-1", "user.login", "svc", 3, "00-trace")
REFUSED = Refused(1_700_000_000_000, "INVALID_RECORD: no", ENVELOPE)
ROOMY = 1_000_000


def test_a_refused_record_can_be_read_back(tmp_path):
    path = set_refused_aside(tmp_path, REFUSED, ROOMY)
    assert path.parent == aside_folder(tmp_path)
    assert path.suffix == ".refused"
    assert read_refused(path) == REFUSED


def test_damaged_bytes_are_kept_as_they_are(tmp_path):
    path = set_damage_aside(tmp_path, "lane-1-0", b"\x00garbage\xff", ROOMY)
    assert path.name == "lane-1-0.damaged"
    assert path.read_bytes() == b"\x00garbage\xff"


def test_the_same_event_refused_twice_is_kept_twice(tmp_path):
    assert set_refused_aside(tmp_path, REFUSED, ROOMY) != set_refused_aside(
        tmp_path, REFUSED, ROOMY
    )
    assert len(list(aside_folder(tmp_path).iterdir())) == 2


def test_files_are_listed_in_the_order_of_time(tmp_path):
    late, early = (
        set_refused_aside(tmp_path, Refused(at, "x", ENVELOPE), ROOMY) for at in (10**12, 999)
    )
    assert sorted(aside_folder(tmp_path).iterdir()) == [early, late]


@pytest.mark.parametrize(("bound", "fits"), [(10, True), (9, False), (0, False)])
def test_the_folder_does_not_exceed_its_bound(tmp_path, bound, fits):
    set_damage_aside(tmp_path, "a", b"12345", ROOMY)
    if fits:
        set_damage_aside(tmp_path, "b", b"12345", bound)
        return
    with pytest.raises(OSError, match="5") as refused:
        set_damage_aside(tmp_path, "b", b"12345", bound)
    assert refused.value.errno == errno.ENOSPC
    assert [path.name for path in aside_folder(tmp_path).iterdir()] == ["a.damaged"]


def test_only_the_owner_can_read_it(tmp_path):
    former = os.umask(0)
    try:
        path = set_refused_aside(tmp_path / "spool", REFUSED, ROOMY)
    finally:
        os.umask(former)
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("mode", [0o777, 0o720])
def test_a_folder_that_others_may_write_to_is_not_used(tmp_path, mode):
    folder = aside_folder(tmp_path)
    folder.mkdir()
    folder.chmod(mode)
    with pytest.raises(OSError, match="others"):
        set_refused_aside(tmp_path, REFUSED, ROOMY)


def test_a_link_is_not_followed(tmp_path):
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    aside_folder(tmp_path).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError):  # noqa: PT011
        set_damage_aside(tmp_path, "a", b"x", ROOMY)
    assert list((tmp_path / "elsewhere").iterdir()) == []


@pytest.mark.parametrize("content", [b"", b"garbage", b"\x93\x01\xa1x\xc0"])
def test_a_file_without_a_record_is_a_value_error(tmp_path, content):
    path = tmp_path / "x.refused"
    path.write_bytes(content)
    with pytest.raises(ValueError):  # noqa: PT011
        read_refused(path)


def test_a_file_that_is_gone_is_an_os_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_refused(tmp_path / "x.refused")
