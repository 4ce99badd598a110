"""Redact secrets. Their values never reach the table, whoever sent them."""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa
import pyarrow.compute as pc

from orgtrail_consumers.steps.columns import offsets, parents
from orgtrail_schemas.catalogue import REDACTED, Sensitivity, catalogue


def redact_changes(events: pa.StringArray, changes: pa.ListArray) -> pa.ListArray:
    """Replace the old and new value of every secret field in the changes.

    A missing value stays missing: the absence of a value is not secret.
    """
    flat = changes.flatten()
    names, old, new = (pc.struct_field(flat, name) for name in ("field", "old", "new"))
    secret = _secret(events, changes, names, catalogue().change_sensitivity)
    values = [names, _hide(old, secret), _hide(new, secret)]
    records = pa.StructArray.from_arrays(values, ["field", "old", "new"])
    return pa.ListArray.from_arrays(offsets(changes), records)


def redact_metadata(events: pa.StringArray, metadata: pa.MapArray) -> pa.MapArray:
    """Replace the value of every secret key in the metadata. Of duplicate keys, keep the last."""
    start, count = metadata.offsets[0].as_py(), offsets(metadata)[-1].as_py()
    keys, items = metadata.keys.slice(start, count), metadata.items.slice(start, count)
    secret = _secret(events, metadata, keys, catalogue().metadata_sensitivity)
    hidden = pa.MapArray.from_arrays(offsets(metadata), keys, _hide(items, secret))
    return _last_of_equal_keys(hidden, keys)


def _secret(
    events: pa.StringArray,
    lists: pa.ListArray | pa.MapArray,
    names: pa.StringArray,
    sensitivity: Callable[[str, str], Sensitivity],
) -> pa.BooleanArray:
    keys, fields = events.take(parents(lists)).dictionary_encode(), names.dictionary_encode()
    # Encode a pair as one number, not as a joined string: a sender can send any separator.
    width = max(1, len(fields.dictionary))
    pairs = pc.add(
        pc.multiply(keys.indices.cast(pa.int64()), width), fields.indices.cast(pa.int64())
    ).dictionary_encode()
    of_key, of_field = keys.dictionary.to_pylist(), fields.dictionary.to_pylist()
    is_secret = [
        sensitivity(of_key[pair // width], of_field[pair % width]) == "secret"
        for pair in pairs.dictionary.to_pylist()
    ]
    return pa.array(is_secret, pa.bool_()).take(pairs.indices)


def _hide(values: pa.StringArray, secret: pa.BooleanArray) -> pa.StringArray:
    return pc.if_else(pc.and_(secret, pc.is_valid(values)), REDACTED, values)


def _last_of_equal_keys(metadata: pa.MapArray, keys: pa.StringArray) -> pa.MapArray:
    if len(keys) == 0:
        return metadata
    codes = keys.dictionary_encode()
    pairs = pc.add(
        pc.multiply(parents(metadata).cast(pa.int64()), len(codes.dictionary)),
        codes.indices.cast(pa.int64()),
    )
    if pc.count_distinct(pairs).as_py() == len(keys):
        return metadata
    return pa.array([list(dict(row).items()) for row in metadata.to_pylist()], metadata.type)
