"""The client's address through proxies: nothing that a client writes makes it another's."""

import ipaddress
import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from orgtrail import SettingsError
from orgtrail.request.proxies import MOST_HOPS, Networks, client_address

TRUSTED = Networks("10.0.0.0/8, ::1, 2001:db8::/32, unix")
FORWARDED = Networks("10.0.0.0/8, forwarded")
PROXY = "10.0.0.1"


def through(*lines, name="x-forwarded-for", peer=PROXY, trusted=TRUSTED):
    return client_address(peer, [(name.encode(), line.encode()) for line in lines], trusted)


@pytest.mark.parametrize(
    ("line", "address"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("6.6.6.6, 203.0.113.9", "203.0.113.9"),
        ("6.6.6.6, 203.0.113.9, 10.9.9.9", "203.0.113.9"),
        ("203.0.113.9:4711", "203.0.113.9"),
        ("2a00:1450::1", "2a00:1450::1"),
        ("[2a00:1450::1]:4711", "2a00:1450::1"),
        ("2A00:1450:0::1", "2a00:1450::1"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        ("fe80::1%eth0", "fe80::1"),
        ("10.1.2.3", "10.1.2.3"),
        ("10.1.2.3, 10.4.5.6", "10.1.2.3"),
        (" 203.0.113.9 ,, 10.9.9.9 ,", "203.0.113.9"),
        ("unknown", PROXY),
        ("203.0.113.9, unknown", PROXY),
        ("203.0.113.9, unknown, 10.2.2.2", "10.2.2.2"),
        ("203.0.113.9, _hidden, 10.2.2.2", "10.2.2.2"),
        ("203.0.113.9, <script>, 10.2.2.2", "10.2.2.2"),
        ("203.0.113.9, 10.2.2.2.2", PROXY),
        ("", PROXY),
    ],
)
def test_x_forwarded_for(line, address):
    assert through(line) == address


@pytest.mark.parametrize(
    ("line", "address"),
    [
        ("for=203.0.113.9", "203.0.113.9"),
        ("For=203.0.113.9;proto=https;by=10.0.0.1", "203.0.113.9"),
        ("proto=https;for=203.0.113.9", "203.0.113.9"),
        ('for="203.0.113.9:4711"', "203.0.113.9"),
        ('for="203.0.113.9:_port"', "203.0.113.9"),
        ('for="[2a00:1450::1]:4711"', "2a00:1450::1"),
        ('for="[2a00:1450::1]"', "2a00:1450::1"),
        ("for=[2a00:1450::1]:4711", "2a00:1450::1"),
        ("for=6.6.6.6, for=203.0.113.9, for=10.9.9.9", "203.0.113.9"),
        ('for=203.0.113.9;host="a,b;c", for=10.9.9.9', "203.0.113.9"),
        ('for=6.6.6.6, for=" , for=203.0.113.9', "203.0.113.9"),
        ('for="6.6.6.6, for=203.0.113.9', "203.0.113.9"),
        ('by="a;for=6.6.6.6";for=203.0.113.9', "203.0.113.9"),
        ("for=unknown", PROXY),
        ("for=203.0.113.9, for=_secret", PROXY),
        ('for=203.0.113.9, for="_secret", for=10.2.2.2', "10.2.2.2"),
        ("for=203.0.113.9, by=10.2.2.2", PROXY),
        ("for=203.0.113.9;for=6.6.6.6", PROXY),
        ('for="\\203.0.113.9"', PROXY),
        ("203.0.113.9", PROXY),
        ("for=", PROXY),
        ('for=""', PROXY),
        ("for=203.0.113.9;", PROXY),
    ],
)
def test_forwarded(line, address):
    assert through(line, name="forwarded") == address
    assert through(line, name="forwarded", trusted=FORWARDED) == address


def test_the_headers_of_an_untrusted_peer_are_ignored():
    assert through("203.0.113.9", peer="198.51.100.7") == "198.51.100.7"
    assert through("203.0.113.9", trusted=Networks()) == PROXY
    assert through("203.0.113.9", peer="") == "203.0.113.9"
    assert through("203.0.113.9", peer="", trusted=Networks("10.0.0.0/8")) == ""
    assert through("203.0.113.9", peer="testclient") == "testclient"
    assert through("203.0.113.9", peer="::ffff:10.0.0.1") == "203.0.113.9"


def test_several_lines_are_one_list_in_their_order():
    assert through("6.6.6.6", "203.0.113.9", "10.9.9.9") == "203.0.113.9"
    assert through("for=6.6.6.6", "for=203.0.113.9", name="forwarded") == "203.0.113.9"


def test_of_both_headers_x_forwarded_for_is_read_unless_the_networks_say_forwarded():
    both = [(b"forwarded", b"for=203.0.113.1"), (b"x-forwarded-for", b"203.0.113.2")]
    assert client_address(PROXY, both, TRUSTED) == "203.0.113.2"
    assert client_address(PROXY, both, FORWARDED) == "203.0.113.1"
    assert client_address(PROXY, both[1:], FORWARDED) == PROXY


def test_what_is_no_network_is_refused_with_its_text():
    for wrong in ("10.0.0.1/8", "*", "proxy.example", "10.0.0.0/33", "10.0.0.0/8 ::1"):
        with pytest.raises(SettingsError, match="neither an address"):
            Networks(wrong)


def test_networks_may_be_a_list_and_mapped():
    assert "10.1.1.1" in Networks(["10.0.0.0/8"])
    assert "10.1.1.1" in Networks("::ffff:10.0.0.0/104")
    assert "::1" not in Networks("10.0.0.0/8")


def test_a_long_header_is_read_from_the_right_and_no_further_than_the_bound():
    many = ", ".join(["6.6.6.6", *["10.0.0.2"] * MOST_HOPS])
    assert through(many) == "10.0.0.2"
    one_fewer = ", ".join(["203.0.113.9", *["10.0.0.2"] * (MOST_HOPS - 1)])
    assert through(one_fewer) == "203.0.113.9"
    # What the cut leaves of an element is not an address: of 1203.0.113.9 it would be one.
    cut = "1203.0.113.9," + "10.0.0.2," + " " * (2_048 - len("203.0.113.9,10.0.0.2,"))
    assert through(cut) == "10.0.0.2"


@pytest.mark.parametrize(
    "hostile",
    ["," * 1_000_000, '"' * 1_000_000, 'for="a",' * 100_000, "x" * 1_000_000, "1.1.1.1" * 100_000],
)
@pytest.mark.parametrize("name", ["x-forwarded-for", "forwarded"])
def test_a_hostile_header_costs_little(name, hostile):
    began = time.process_time()
    assert through(hostile, name=name) == PROXY
    assert time.process_time() - began < 0.1


# What a client may write, with the characters that matter more often than others.
WRITTEN = st.one_of(
    st.text(st.sampled_from(',;="\\ :[]_for16.\u00ff'), max_size=60),
    st.binary(max_size=60).map(lambda value: value.decode("latin-1")),
)
PUBLIC = st.ip_addresses().filter(lambda ip: str(ip) not in TRUSTED and "." in str(ip)).map(str)


@given(
    st.text(max_size=80),
    st.lists(st.tuples(st.sampled_from([b"forwarded", b"x-forwarded-for", b"x"]), st.binary())),
    st.sampled_from([TRUSTED, FORWARDED, Networks(), Networks("0.0.0.0/0,::/0,unix")]),
)
def test_it_never_raises(peer, headers, trusted):
    found = client_address(peer, headers, trusted)
    assert isinstance(found, str)
    if found != peer:
        ipaddress.ip_address(found)


@given(WRITTEN, PUBLIC, st.integers(0, 3))
@example(",", "203.0.113.9", 0)
def test_what_a_client_writes_is_never_its_address(written, client, proxies):
    """A chain of real proxies: each appends who spoke to it."""
    hops = [client, *["10.0.0.2"] * proxies]
    line = ", ".join([written, *hops])
    assert client_address(PROXY, [(b"x-forwarded-for", line.encode("latin-1"))], TRUSTED) == client
    separate = [(b"x-forwarded-for", part.encode("latin-1")) for part in (written, *hops)]
    assert client_address(PROXY, separate, TRUSTED) == client


@given(WRITTEN, PUBLIC, st.integers(0, 3), st.booleans())
@example('for="', "203.0.113.9", 0, False)
@example('for=6.6.6.6, for="', "203.0.113.9", 1, True)
def test_what_a_client_writes_in_forwarded_is_never_its_address(written, client, proxies, quoted):
    hops = [
        f'for="{hop}";proto=https' if quoted else f"for={hop}"
        for hop in [client, *["10.0.0.2"] * proxies]
    ]
    line = ", ".join([written, *hops])
    forged = [(b"x-forwarded-for", b"6.6.6.6"), (b"forwarded", line.encode("latin-1"))]
    assert client_address(PROXY, forged, FORWARDED) == client
