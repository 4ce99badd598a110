"""The country of an address, from the built-in data or the operator's file."""

import maxminddb
import pytest

from orgtrail_consumers.steps.lookups.country import countries

NOT_ADDRESSES = ["", "junk", "80.10.1.1:80", "256.1.1.1", "x" * 5_000, "80.10.1.1\x00", "é"]


def test_the_built_in_data_knows_addresses_of_both_kinds():
    assert countries(None)(["80.10.1.1", "2001:4860::1"]) == ["FR", "US"]


@pytest.mark.parametrize("ip", [*NOT_ADDRESSES, "10.0.0.1", "127.0.0.1", "::1"])
def test_what_has_no_country_is_empty_and_keeps_its_place(ip):
    assert countries(None)(["80.10.1.1", ip, "80.10.1.1"]) == ["FR", "", "FR"]


def test_no_addresses_have_no_countries():
    assert countries(None)([]) == []


class Reader:
    """An operator's file: answers by address, and refuses what is not one."""

    def __init__(self, entries):
        self.entries, self.asked = entries, []

    def get(self, ip):
        self.asked.append(ip)
        if ip not in self.entries:
            raise ValueError(f"{ip} does not appear to be an IPv4 or IPv6 address")
        return self.entries[ip]


@pytest.fixture
def reader(monkeypatch, tmp_path):
    found = Reader({"80.10.1.1": {"country": {"iso_code": "BE"}}})
    monkeypatch.setattr(maxminddb, "open_database", lambda path: found)
    return found


def test_the_operators_file_replaces_the_built_in_data(reader, tmp_path):
    assert countries(tmp_path / "x.mmdb")(["80.10.1.1", "junk"]) == ["BE", ""]


@pytest.mark.parametrize(
    "entry",
    [None, {}, {"country": None}, {"country": {}}, {"country": {"iso_code": None}},
     {"country": "FR"}, "FR", {"registered_country": {"iso_code": "FR"}}],
)  # fmt: skip
def test_an_entry_without_a_country_is_empty(reader, tmp_path, entry):
    reader.entries["10.0.0.1"] = entry
    assert countries(tmp_path / "x.mmdb")(["10.0.0.1"]) == [""]


def test_an_address_is_read_once_and_longer_text_never(reader, tmp_path):
    find = countries(tmp_path / "x.mmdb")
    longest = "0000:0000:0000:0000:0000:ffff:255.255.255.255"
    reader.entries[longest] = {"country": {"iso_code": "NL"}}
    assert find(["80.10.1.1", longest, "x" * 46]) == ["BE", "NL", ""]
    assert find(["80.10.1.1"]) == ["BE"]
    assert reader.asked == ["80.10.1.1", longest]


def test_a_file_that_cannot_be_read_is_an_error_at_once(tmp_path):
    with pytest.raises(OSError, match=r"gone\.mmdb"):
        countries(tmp_path / "gone.mmdb")
    (tmp_path / "bad.mmdb").write_bytes(b"not a database")
    with pytest.raises(ValueError, match=r"bad\.mmdb"):
        countries(tmp_path / "bad.mmdb")
