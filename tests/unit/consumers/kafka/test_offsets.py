from tests.support.batches import delivery

from orgtrail_consumers.kafka.offsets import OffsetTracker

ONE, TWO, THREE = (
    delivery(b"a", b"b"),
    delivery(b"c", first_offset=2),
    delivery(b"d", first_offset=5),
)


def filled():
    tracker = OffsetTracker()
    for item in (ONE, TWO, THREE):
        tracker.add("p0", item)
    return tracker


def test_nothing_is_committable_before_it_is_stored():
    assert filled().pop_committable("p0") is None


def test_a_later_batch_waits_for_an_earlier_one():
    tracker = filled()
    tracker.mark_stored("p0", TWO)
    assert tracker.pop_committable("p0") is None
    tracker.mark_stored("p0", ONE)
    assert tracker.pop_committable("p0") == 3
    assert tracker.pop_committable("p0") is None
    tracker.mark_stored("p0", THREE)
    assert tracker.pop_committable("p0") == 6
    assert tracker.stored_through("p0") == THREE.last_timestamp


def test_what_was_taken_away_is_neither_held_nor_committed():
    tracker = filled()
    assert tracker.holds("p0", ONE)
    tracker.forget("p0")
    assert not tracker.holds("p0", ONE)
    tracker.mark_stored("p0", ONE)
    assert tracker.pop_committable("p0") is None
    assert tracker.stored_through("p0") is None


def test_a_batch_of_an_earlier_assignment_is_another_batch():
    tracker = filled()
    tracker.forget("p0")
    again = delivery(b"a", b"b")
    tracker.add("p0", again)
    tracker.mark_stored("p0", ONE)
    assert tracker.pop_committable("p0") is None


def test_records_that_left_the_client_are_under_way_before_their_batch_is_known():
    """Else an idle partition would be called settled while its last records wait behind others."""
    tracker = filled()
    for item in (ONE, TWO, THREE):
        tracker.mark_stored("p0", item)
    assert tracker.in_progress("p0", THREE.last_offset)
    tracker.pop_committable("p0")
    assert not tracker.in_progress("p0", THREE.last_offset)
    assert not tracker.in_progress("p0", None)
    assert tracker.in_progress("p0", THREE.last_offset + 1)
