from collections import Counter

import pytest

from orgtrail_schemas.shards import shard_of


# CRC-32 as of zlib and ISO 3309; "123456789" is its published check value.
@pytest.mark.parametrize(
    ("org", "crc"), [("123456789", 0xCBF43926), ("acme", 96778814), ("", 0), ("é", 235179326)]
)
def test_the_rule_is_crc32_of_the_id_in_utf_8(org, crc):
    assert [shard_of(org, shards) for shards in (1, 2, 3, 7)] == [crc % n for n in (1, 2, 3, 7)]


def test_organizations_spread_evenly():
    counts = Counter(shard_of(f"org-{number}", 4) for number in range(10_000))
    assert sorted(counts) == [0, 1, 2, 3]
    assert max(counts.values()) < 1.1 * min(counts.values())
