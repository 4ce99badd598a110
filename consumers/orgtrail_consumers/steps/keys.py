"""Keys: records whose Kafka key is not the organization of their event.

Such a record may lie in another partition than the organization's others, so it is not in their
order. Nothing else depends on the key.
"""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from orgtrail_consumers.kafka.batch import Batch, Rejected
from orgtrail_consumers.steps.decode import Decoded


def mismatches(decoded: Decoded, batch: Batch) -> pa.BooleanArray:
    """Which rows have another key than their organization's ID, or none."""
    keys = batch.records.keys
    differ = pc.not_equal(keys.take(decoded.positions), decoded.columns["org_id"].cast(pa.binary()))
    return pc.fill_null(differ, True)


def reject(decoded: Decoded, rows: pa.BooleanArray) -> Decoded:
    """The decoded events without some rows, which move to ``rejected``."""
    kept = pc.invert(rows)
    detail = "the Kafka key is not the organization's ID"
    positions = decoded.positions.filter(rows).to_pylist()
    return Decoded(
        decoded.columns.filter(kept),
        decoded.positions.filter(kept),
        decoded.fingerprints.filter(kept),
        [*decoded.rejected, *(Rejected(p, "key_mismatch", detail) for p in positions)],
    )
