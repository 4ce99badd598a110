"""Repairs of texts that come from outside."""

from orgtrail_schemas import repair


def test_a_long_text_is_no_address_and_is_not_remembered():
    before = repair._address.cache_info().currsize
    for number in range(10):
        assert repair.address(f"{number}" * 900_000) is None
    assert repair._address.cache_info().currsize == before


def test_an_address_has_one_spelling():
    spellings = ('"[2001:DB8:0:0:0:0:0:1]:443"', "2001:db8::1%eth0", " 2001:db8::1 ")
    assert {repair.address(text) for text in spellings} == {"2001:db8::1"}
    assert repair.address("::ffff:8.8.8.8") == repair.address("8.8.8.8:53") == "8.8.8.8"
