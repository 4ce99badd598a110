import stat

import pytest

from orgtrail_consumers.dead_letters.folder import KeptLetter, keep, kept

LETTER = KeptLetter(
    set_aside_at=1,
    reason="malformed",
    detail="EOFError",
    source="audit.events.v1/3/17/1700000000000",
    key=b"acme",
    value=b"\x00\xff",
    headers=[("h", b"\xfe"), ("null", None)],
)


def test_what_is_kept_comes_back_and_is_private(tmp_path):
    folder = tmp_path / "letters"
    keep(folder, LETTER)
    keep(folder, LETTER)
    assert list(kept(folder)) == [("audit.events.v1_3_17_1700000000000", LETTER)]
    modes = [stat.S_IMODE(path.stat().st_mode) for path in (folder, *folder.iterdir())]
    assert modes == [0o700, 0o600]


def test_a_letter_that_was_not_finished_is_none(tmp_path):
    (tmp_path / "x.begun").write_bytes(b"{")
    assert list(kept(tmp_path)) == []


def test_a_folder_that_cannot_be_written_says_so(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        keep(tmp_path / "file", LETTER)


def test_a_foreign_file_is_an_error_and_not_passed_over(tmp_path):
    (tmp_path / "x.json").write_text("{}")
    with pytest.raises(ValueError, match=r"x\.json is not a dead letter"):
        list(kept(tmp_path))
