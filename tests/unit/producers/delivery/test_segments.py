"""Segments: what was appended is read, on disk and in memory alike."""

import errno
import os

import pytest

from orgtrail.delivery.segments import FileSegment, MemorySegment


@pytest.fixture
def file(tmp_path):
    (tmp_path / "lane").mkdir()
    segment = FileSegment(tmp_path / "lane" / "00000007.frames", 1000, writable=True)
    yield segment
    segment.close()


@pytest.fixture(params=["disk", "memory"])
def segment(request, file):
    return file if request.param == "disk" else MemorySegment(7, 1000)


def test_frames_are_read_where_they_were_appended(segment):
    for frame in (b"one", b"two", b"three"):
        segment.append(frame)
    assert segment.number == 7
    assert segment.size == segment.measure() == 11
    assert segment.read(0, 100) == b"onetwothree"
    assert segment.read(3, 3) == b"two"
    assert segment.read(11, 5) == b""


def test_a_new_segment_is_empty_and_not_finished(segment):
    assert (segment.size, segment.finished, segment.unlinked()) == (0, False, False)


def test_what_is_synced_is_told(segment, monkeypatch):
    synced = []
    monkeypatch.setattr(os, "fdatasync", synced.append)
    segment.append(b"one")
    segment.sync()
    segment.sync()
    assert len(synced) == (1 if segment.on_disk else 0)
    assert segment.synced == (3 if segment.on_disk else 0)


def test_a_failing_disk_is_told_and_tried_again(file, monkeypatch):
    def fail(_fd):
        raise OSError(errno.EIO, "broken")

    file.append(b"one")
    with monkeypatch.context() as patch:
        patch.setattr(os, "fdatasync", fail)
        with pytest.raises(OSError, match="broken"):
            file.sync()
    assert file.synced == 0
    file.sync()
    assert file.synced == 3


def test_a_frame_that_was_written_in_part_is_the_last(file, monkeypatch):
    write = os.write
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", lambda fd, data: write(fd, data[:2]))
        with pytest.raises(OSError) as full:  # noqa: PT011
            file.append(b"one")
    assert full.value.errno == errno.ENOSPC
    assert file.capacity == 0


def test_a_second_process_does_not_take_the_same_file(file):
    with pytest.raises(FileExistsError):
        FileSegment(file.path, 1, writable=True)


def test_the_file_is_its_owners_alone(file):
    assert file.path.stat().st_mode & 0o777 == 0o600


def test_a_file_that_was_left_is_finished_and_has_its_size(file):
    file.append(b"one")
    left = FileSegment(file.path, 0, writable=False)
    assert (left.number, left.size, left.finished) == (7, 3, True)
    assert left.read(1, 10) == b"ne"
    left.close()


def test_a_removed_file_is_noticed_and_still_read(file):
    file.append(b"one")
    file.path.unlink()
    assert file.unlinked()
    assert file.read(0, 3) == b"one"
    file.append(b"two")
    assert file.read(0, 10) == b"onetwo"


def test_a_link_in_the_place_of_a_file_is_not_read(tmp_path):
    (tmp_path / "secret").write_bytes(b"secret")
    (tmp_path / "00000001.frames").symlink_to(tmp_path / "secret")
    left = FileSegment(tmp_path / "00000001.frames", 0, writable=False)
    with pytest.raises(OSError) as refused:  # noqa: PT011
        left.read(0, 10)
    assert refused.value.errno == errno.ELOOP


def test_closing_keeps_the_file_and_removing_deletes_it(file):
    file.append(b"one")
    file.close()
    file.close()
    assert file.path.read_bytes() == b"one"
    file.remove()
    file.remove()
    assert not file.path.exists()


def test_memory_counts_its_frames_and_frees_them():
    segment = MemorySegment(1, 100)
    segment.append(b"one")
    segment.append(b"two")
    assert (segment.frames, segment.on_disk) == (2, False)
    segment.remove()
    assert segment.size == 0
