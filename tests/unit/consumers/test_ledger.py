import weakref

from tests.support.batches import batch

from orgtrail_consumers.ledger import Ledger

ONE, TWO, THREE = batch(b"a", b"b"), batch(b"c", first_offset=2), batch(b"d", first_offset=5)


def filled():
    ledger = Ledger()
    for item in (ONE, TWO, THREE):
        ledger.add("p0", item)
    return ledger


def test_nothing_is_committable_before_it_is_stored():
    assert filled().take_committable("p0") is None


def test_a_later_batch_waits_for_an_earlier_one():
    ledger = filled()
    ledger.mark_stored("p0", TWO)
    assert ledger.take_committable("p0") is None
    ledger.mark_stored("p0", ONE)
    assert ledger.take_committable("p0") == 3
    assert ledger.take_committable("p0") is None
    ledger.mark_stored("p0", THREE)
    assert ledger.take_committable("p0") == 6
    assert ledger.stored_through("p0") == THREE.records[-1].timestamp


def test_a_stored_batch_is_not_kept_until_the_commit():
    ledger, item = Ledger(), batch(b"a", b"b")
    ledger.add("p0", item)
    record = weakref.ref(item.records[0])
    ledger.mark_stored("p0", item)
    del item
    assert record() is None
    assert ledger.take_committable("p0") == 2


def test_what_was_taken_away_is_neither_held_nor_committed():
    ledger = filled()
    assert ledger.holds("p0", ONE)
    ledger.forget("p0")
    assert not ledger.holds("p0", ONE)
    ledger.mark_stored("p0", ONE)
    assert ledger.take_committable("p0") is None
    assert ledger.stored_through("p0") is None


def test_a_batch_of_an_earlier_assignment_is_another_batch():
    ledger = filled()
    ledger.forget("p0")
    again = batch(b"a", b"b")
    ledger.add("p0", again)
    ledger.mark_stored("p0", ONE)
    assert ledger.take_committable("p0") is None


def test_records_that_left_the_client_are_under_way_before_their_batch_is_known():
    """Else an idle partition would be called settled while its last records wait behind others."""
    ledger = filled()
    for item in (ONE, TWO, THREE):
        ledger.mark_stored("p0", item)
    assert ledger.under_way("p0", THREE.last_offset)
    ledger.take_committable("p0")
    assert not ledger.under_way("p0", THREE.last_offset)
    assert not ledger.under_way("p0", None)
    assert ledger.under_way("p0", THREE.last_offset + 1)
