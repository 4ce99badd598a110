"""Lanes: locked while their process lives, adopted afterwards, and what they reserve."""

import os
import time
from pathlib import Path

import pytest

from orgtrail.delivery.lane import (
    Lane,
    Position,
    close_inherited_locks,
    lane_folders,
    own,
    private,
    saved_position,
    segment_files,
    used_bytes,
)

TOPIC = "audit.events.v1"


@pytest.fixture
def spool(tmp_path):
    return tmp_path / "spool"


@pytest.fixture
def lane(spool):
    made = Lane.create(spool, TOPIC, "1")
    yield made
    made.close()


def test_a_lane_of_a_living_process_cannot_be_adopted(lane):
    assert Lane.adopt(lane.path) is None
    lane.close()
    adopted = Lane.adopt(lane.path)
    assert adopted.path == lane.path
    assert Lane.adopt(lane.path) is None
    adopted.close()


def test_a_lane_that_was_removed_cannot_be_adopted(lane):
    lane.remove()
    assert Lane.adopt(lane.path) is None
    assert lane_folders(lane.path.parents[1]) == []


def test_a_lane_whose_lock_file_is_missing_is_adopted(lane):
    lane.close()
    (lane.path / "lane").unlink()
    adopted = Lane.adopt(lane.path)
    assert adopted.position == Position(0, 0)
    adopted.close()


def test_a_forked_child_does_not_keep_the_lock_of_its_parent(lane):
    read, write = os.pipe()
    child = os.fork()
    if not child:
        close_inherited_locks()
        os.close(write)
        os.read(read, 1)
        os._exit(0)
    try:
        time.sleep(0.1)
        lane.close()
        adopted = Lane.adopt(lane.path)
        assert adopted is not None
        adopted.close()
    finally:
        os.close(write)
        os.close(read)
        os.waitpid(child, 0)


def test_the_position_survives_the_process(lane):
    assert lane.position == saved_position(lane.path) == Position(0, 0)
    lane.save(Position(3, 4711))
    lane.close()
    assert saved_position(lane.path) == Position(3, 4711)
    adopted = Lane.adopt(lane.path)
    assert adopted.position == Position(3, 4711)
    adopted.close()


@pytest.mark.parametrize("content", [b"", b"x", b"\x00" * 28, bytes(range(28)), None])
def test_a_damaged_position_is_the_beginning(lane, content):
    lane.save(Position(3, 4711))
    if content is None:
        (lane.path / "lane").unlink()
    else:
        (lane.path / "lane").write_bytes(content)
    assert saved_position(lane.path) == Position(0, 0)


def test_only_what_was_not_delivered_is_left_and_in_order(lane):
    for number in (2, 10, 9, 1):
        lane.new_segment(number, 100).close()
    (lane.path / "notes.frames").touch()
    (lane.path / "00000011.frames").symlink_to(lane.path / "00000010.frames")
    (lane.path / "00000012.frames").mkdir()
    assert [int(path.stem) for path in segment_files(lane.path)] == [1, 2, 9, 10]
    lane.save(Position(9, 5))
    assert [segment.number for segment in lane.segments()] == [9, 10]


def test_topics_do_not_see_each_others_lanes(spool, lane):
    other = Lane.create(spool, "other", "0")
    assert lane_folders(spool, TOPIC) == [lane.path]
    assert lane_folders(spool, "other") == [other.path]
    assert len(lane_folders(spool)) == 2
    other.close()


def test_drafts_and_lanes_of_other_formats_are_ignored(spool, lane):
    (spool / "lanes" / ".draft").mkdir()
    (spool / "lanes" / lane.path.name.replace("v1.", "v2.")).mkdir()
    assert lane_folders(spool) == [lane.path]


def test_a_name_that_exists_leaves_no_draft(spool, lane):
    segment = lane.new_segment(1, 100)
    with pytest.raises(OSError):  # noqa: PT011
        Lane.create(spool, TOPIC, "1")
    assert list((spool / "lanes").iterdir()) == [lane.path]
    segment.close()


def test_reserved_space_is_used_until_the_process_ends(spool, lane):
    assert used_bytes(spool) == 0
    first = lane.new_segment(1, 100)
    first.append(b"x" * 60)
    assert used_bytes(spool) == 100
    second = lane.new_segment(2, 50)
    assert used_bytes(spool) == 60 + 50
    second.append(b"x" * 80)
    assert used_bytes(spool) == 60 + 80
    for segment in (first, second):
        segment.close()
    lane.close()
    Lane.adopt(lane.path).close()
    assert used_bytes(spool) == 60 + 80


def test_a_dead_process_reserves_nothing(spool, lane):
    lane.new_segment(1, 1_000).close()
    lane.close()
    assert used_bytes(spool) == 1_000
    Lane.adopt(lane.path).close()
    assert used_bytes(spool) == 0


@pytest.mark.parametrize("mode", [0o777, 0o770, 0o702])
def test_a_folder_that_others_may_write_to_is_refused(tmp_path, mode):
    folder = tmp_path / "lanes"
    folder.mkdir()
    folder.chmod(mode)
    with pytest.raises(PermissionError, match=str(folder)):
        own(folder)


def test_a_folder_of_another_user_or_a_link_is_refused(tmp_path, monkeypatch):
    (tmp_path / "real").mkdir(mode=0o700)
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with pytest.raises(PermissionError):
        own(tmp_path / "link")
    monkeypatch.setattr(os, "geteuid", lambda: 12_345)
    with pytest.raises(PermissionError):
        own(tmp_path / "real")


def test_folders_are_their_owners_alone(spool, lane):
    for path in (private(spool.with_name("new")), spool / "lanes", lane.path, lane.path / "lane"):
        assert Path(path).stat().st_mode & 0o077 == 0
