import pytest

from orgtrail.errors import SpoolFullError
from orgtrail.spool import Spool

HEADERS = [("ce_id", b"1"), ("ce_id", b"2")]


def test_messages_come_back_in_order_and_whole(tmp_path):
    spool = Spool(tmp_path, 10_000)
    for n in range(3):
        spool.put(b"acme", bytes([n]), HEADERS)
    assert [m.value for m in spool.oldest(2)] == [b"\x00", b"\x01"]
    assert spool.oldest(1)[0].headers == HEADERS
    assert spool.oldest(1)[0].key == b"acme"


def test_it_survives_its_process(tmp_path):
    spool = Spool(tmp_path, 10_000)
    spool.put(b"acme", b"x", [])
    spool.close()
    again = Spool(tmp_path, 10_000)
    assert len(again) == 1
    again.remove_through(again.oldest(1)[0].number)
    assert len(again) == 0


def test_it_is_bounded(tmp_path):
    spool = Spool(tmp_path, 100)
    spool.put(b"", b"x" * 90, [])
    with pytest.raises(SpoolFullError):
        spool.put(b"", b"x" * 20, [])
    assert len(spool) == 1


def test_a_folder_that_cannot_be_used_is_an_error_in_words(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(SpoolFullError, match="cannot be used"):
        Spool(tmp_path / "file", 100)
