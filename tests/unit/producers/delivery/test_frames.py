from hypothesis import given
from hypothesis import strategies as st

from orgtrail.delivery.frames import MARK, frame, parse
from orgtrail.envelope import Envelope


def envelope(number, value=b"x" * 50):
    return Envelope(number, 0, "acme", value, f"id-{number}", "user.login", "svc", 0)


FRAMES = [frame(envelope(n)) for n in range(5)]
WHOLE = b"".join(FRAMES)


def tickets(parsed):
    return [f.envelope.ticket for f in parsed.frames]


def test_frames_come_back_in_order():
    parsed = parse(WHOLE, 100, last=True)
    assert tickets(parsed) == [0, 1, 2, 3, 4]
    assert (parsed.end, parsed.damaged, parsed.torn) == (len(WHOLE), [], False)
    assert parsed.frames[1].envelope == envelope(1)


def test_a_limit_ends_behind_a_frame():
    parsed = parse(WHOLE, 2, last=True)
    assert tickets(parsed) == [0, 1]
    assert tickets(parse(WHOLE[parsed.end :], 100, last=True)) == [2, 3, 4]


@given(st.integers(0, len(WHOLE)))
def test_a_torn_end_is_cut_and_what_stands_before_it_is_kept(size):
    parsed = parse(WHOLE[:size], 100, last=True)
    whole = size // len(FRAMES[0])
    assert tickets(parsed) == list(range(whole))
    assert parsed.damaged == []
    assert parsed.torn == (size % len(FRAMES[0]) != 0)


@given(st.integers(0, len(WHOLE)))
def test_what_is_still_being_written_is_waited_for(size):
    parsed = parse(WHOLE[:size], 100, last=False)
    assert tickets(parsed) == list(range(size // len(FRAMES[0])))
    assert not parsed.torn
    assert parsed.damaged == []


@given(st.integers(0, len(WHOLE) - 1), st.integers(1, 255))
def test_one_changed_byte_costs_one_frame(place, change):
    data = bytearray(WHOLE)
    data[place] ^= change
    parsed = parse(bytes(data), 100, last=True)
    lost = place // len(FRAMES[0])
    assert tickets(parsed) == [n for n in range(5) if n != lost]
    begin, end = lost * len(FRAMES[0]), (lost + 1) * len(FRAMES[0])
    if lost == 4:
        assert parsed.torn
    else:
        assert parsed.damaged == [(begin, end)]


@given(st.binary(max_size=300), st.binary(max_size=300))
def test_garbage_hides_no_frame(before, after):
    data = before + FRAMES[0] + after + FRAMES[1]
    parsed = parse(data, 100, last=True)
    assert tickets(parsed)[-1] == 1
    assert 0 in tickets(parsed)


def test_a_mark_inside_a_value_is_no_frame():
    inside = frame(envelope(7, MARK + b"\x05\x00\x00\x00" + FRAMES[0]))
    assert tickets(parse(inside + FRAMES[1], 100, last=True)) == [7, 1]
