"""Reading a lane in order, and reading what was not acknowledged again."""

import pytest

from orgtrail.delivery.frames import frame
from orgtrail.delivery.lane import Position
from orgtrail.delivery.queue import Queue
from orgtrail.delivery.segments import SYNCING, MemorySegment
from orgtrail.envelope import Envelope


def framed(number, size=50):
    return frame(Envelope(number, 100 + number, "acme", b"x" * size, "id", "user.login", "svc", 0))


def segment(number, *tickets, finished=True, size=50):
    made = MemorySegment(number, 1 << 20)
    for ticket in tickets:
        made.append(framed(ticket, size))
    made.finished = finished
    return made


BEGINNING = Position()


class Kept:
    """A queue over segments, what it saved and which damage it told."""

    def __init__(self, *segments, position=BEGINNING):
        self.saved, self.damage = [], []
        self.queue = Queue(
            segments,
            position,
            save=self.saved.append,
            on_damage=lambda where, offset, data: self.damage.append((where.number, offset, data)),
        )

    def read(self, limit=100, size=1 << 20):
        batch = self.queue.read(limit, size)
        return None if batch is None else [e.ticket for e in batch.envelopes]


def test_records_are_read_in_order_over_segments():
    kept = Kept(segment(1, 1, 2), segment(3, 3), segment(4, 4, finished=False))
    assert [kept.read() for _ in range(4)] == [[1, 2], [3], [4], None]


@pytest.mark.parametrize("limit", [1, 2, 3])
def test_a_batch_has_no_more_than_its_limit_and_knows_where_it_lies(limit):
    kept = Kept(segment(1, 1, 2, 3))
    batch = kept.queue.read(limit, 1 << 20)
    assert [e.ticket for e in batch.envelopes] == [1, 2, 3][:limit]
    assert (batch.start, batch.end) == (Position(1, 0), Position(1, limit * len(framed(1))))
    assert (batch.bytes, batch.oldest) == (limit * len(framed(1)), 101)


def test_a_record_larger_than_the_window_is_read_whole():
    kept = Kept(segment(1, 1, 2, size=600_000))
    assert [kept.read(size=1_000) for _ in range(3)] == [[1], [2], None]


def test_more_may_follow_in_a_segment_that_is_written():
    open_segment = segment(1, 1, finished=False)
    kept = Kept(open_segment)
    assert [kept.read(), kept.read()] == [[1], None]
    whole = framed(2)
    open_segment.append(whole[:10])
    assert kept.read() is None
    open_segment.append(whole[10:])
    assert kept.read() == [2]
    assert kept.damage == []


def test_what_was_not_acknowledged_is_read_again():
    kept = Kept(segment(1, 1, 2), segment(2, 3))
    first = kept.queue.read(1, 1 << 20)
    kept.read()
    kept.queue.acknowledge(first.end)
    kept.queue.rewind()
    assert [kept.read(), kept.read()] == [[2], [3]]
    kept.queue.rewind(Position(2, 0))
    assert kept.read() == [3]
    assert kept.saved == [first.end]


def test_a_new_process_begins_at_the_saved_position():
    end = Position(1, len(framed(1)))
    kept = Kept(segment(1, 1, 2), position=end)
    assert kept.queue.count() == 1
    assert kept.read() == [2]


def test_a_segment_is_removed_when_all_of_it_was_delivered():
    first, last = segment(1, 1, 2), segment(2, 3, finished=False)
    kept = Kept(first, last)
    kept.queue.acknowledge(Position(1, len(framed(1))))
    assert list(kept.queue.segments) == [first, last]
    kept.queue.acknowledge(Position(1, first.size))
    assert list(kept.queue.segments) == [last]
    assert first.size == 0
    kept.queue.acknowledge(Position(2, last.size))
    assert list(kept.queue.segments) == [last]


def test_a_segment_that_is_being_synced_is_removed_later():
    first = segment(1, 1)
    kept = Kept(first, segment(2, 2))
    first.writing.add(SYNCING)
    kept.queue.acknowledge(Position(1, first.size))
    assert first.size
    first.writing.discard(SYNCING)
    kept.queue.tidy()
    assert first.size == 0


def test_damage_is_told_with_its_place_and_the_rest_is_read():
    damaged = segment(1, 1)
    damaged.append(b"garbage")
    damaged.append(framed(2))
    kept = Kept(damaged)
    assert kept.read() == [1, 2]
    assert kept.damage == [(1, len(framed(1)), b"garbage")]


def test_a_torn_end_is_skipped_and_settled():
    torn = segment(1, 1)
    torn.append(framed(2)[:-1])
    kept = Kept(torn, segment(2, 3))
    assert [kept.read(), kept.read(), kept.read()] == [[1], [3], None]
    kept.queue.tidy()
    assert kept.queue.settled()
    assert kept.damage == []


def test_what_waits_is_counted_and_settled_when_acknowledged():
    kept = Kept(segment(1, 1, 2), segment(2, 3))
    assert (kept.queue.count(), kept.queue.settled(), kept.queue.unread()) == (3, False, True)
    kept.read()
    kept.read()
    assert (kept.queue.count(), kept.queue.settled(), kept.queue.unread()) == (3, False, False)
    kept.queue.acknowledge(Position(2, len(framed(3))))
    assert (kept.queue.count(), kept.queue.settled()) == (0, True)


def test_a_queue_without_segments_has_nothing():
    kept = Kept()
    assert (kept.read(), kept.queue.unread(), kept.queue.settled()) == (None, False, True)
