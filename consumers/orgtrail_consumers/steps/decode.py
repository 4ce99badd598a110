"""Decode the values of a batch into Arrow columns of the current schema."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence, Set
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyruhvro

from orgtrail_consumers.kafka.batch import Rejected
from orgtrail_consumers.steps.columns import fill
from orgtrail_consumers.steps.encoded_size import encoded_sizes
from orgtrail_consumers.steps.resolve import UnresolvableError, resolve
from orgtrail_schemas.codec import (
    Frame,
    TrailingBytesError,
    UnknownFramingError,
    decode_datum,
    read_frame,
)
from orgtrail_schemas.event_schema import EventSchema, current_schema

FindSchema = Callable[[Frame], EventSchema | None]
"""Returns the schema that a frame names, or ``None`` if it is definitely unknown."""


class Decoded(NamedTuple):
    """``columns`` has one row per good record, in no particular order.

    ``positions`` (int64) are the rows' positions in the batch, and ``fingerprints`` identify the
    schemas that they were written with.

    Invariant: every position of the batch occurs exactly once, either in ``positions`` or in
    ``rejected``. Otherwise a record would be lost or stored twice, since the whole batch is
    committed. It holds because each branch of ``decode`` moves a position to one of the two.
    """

    columns: pa.RecordBatch
    positions: pa.Int64Array
    fingerprints: pa.StringArray
    rejected: list[Rejected]


def decode(values: pa.BinaryArray, find_schema: FindSchema) -> Decoded:
    """Decode the values of a batch, grouped by schema.

    Raises:
        Exception: whatever ``find_schema`` raises if it cannot know at the moment (the registry is
            unreachable). No record of the batch counts as decoded then.
    """
    rejected: list[Rejected] = []
    parts: list[tuple[pa.RecordBatch, list[int], str]] = []
    for frame, positions in _by_frame(values, rejected).items():
        schema = find_schema(frame)
        if schema is None:
            name = frame.fingerprint or f"registry id {frame.registry_id}"
            rejected += [Rejected(p, "unknown_schema", f"schema {name}") for p in positions]
            continue
        framed = values if len(positions) == len(values) else values.take(pa.array(positions))
        data = pc.binary_slice(framed, frame.size, _ANY_LENGTH).to_pylist()
        columns, good = _decode_schema(positions, data, schema, rejected)
        if good:
            parts.append((columns, good, schema.fingerprint))
    return Decoded(
        pa.concat_batches([part[0] for part in parts]) if parts else _EMPTY,
        _joined([pa.array(good, pa.int64()) for _, good, _ in parts], pa.int64()),
        _joined([fill(name, len(good), pa.string()) for _, good, name in parts], pa.string()),
        rejected,
    )


def _decode_schema(
    positions: list[int], data: list[bytes], schema: EventSchema, rejected: list[Rejected]
) -> tuple[pa.RecordBatch, list[int]]:
    """The good records of one writer's schema, in the columns of the current one."""
    columns, good = _decode_together(data, schema), positions
    if columns is None:
        if _decode_together([], schema) is None:
            # The Arrow decoder does not support this schema at all, for example an empty record.
            return _decode_with_resolution(positions, data, schema, rejected)
        columns, good = _decode_good_ones(positions, data, schema, rejected)
        datum_of = dict(zip(positions, data, strict=True))
        data = [datum_of[position] for position in good]
    if not good:
        return _EMPTY, []
    columns, good = _complete(columns, good, data, schema, rejected)
    if schema.fingerprint == current_schema().fingerprint:
        return columns, good
    try:
        resolved = resolve(columns, _CURRENT)
    except UnresolvableError:
        detail = f"schema {schema.fingerprint} is not an audit event schema"
        rejected += [Rejected(position, "malformed", detail) for position in good]
        return _EMPTY, []
    detail = "a required value is null"
    rejected += [Rejected(good[row], "malformed", detail) for row in sorted(resolved.bad)]
    return _without(resolved.columns, good, resolved.bad)


def _decode_with_resolution(
    positions: list[int], data: list[bytes], schema: EventSchema, rejected: list[Rejected]
) -> tuple[pa.RecordBatch, list[int]]:
    """Decode and resolve with fastavro, record by record."""
    decoded: list[pa.RecordBatch] = []
    good: list[int] = []
    for position, datum in zip(positions, data, strict=True):
        try:
            record = decode_datum(schema, current_schema(), datum)
            record["metadata"] = list(record["metadata"].items())
            decoded.append(pa.RecordBatch.from_pylist([record], schema=_CURRENT))
            good.append(position)
        # Bad bytes, or a schema that is not an audit event's: fastavro may raise any exception.
        except Exception as error:
            rejected.append(Rejected(position, "malformed", describe_decoding(error)))
    return (pa.concat_batches(decoded) if decoded else _EMPTY), good


def _without(
    columns: pa.RecordBatch, positions: list[int], bad: Set[int]
) -> tuple[pa.RecordBatch, list[int]]:
    """The rows that are not bad, with their positions."""
    if not bad:
        return columns, positions
    kept = [row for row in range(len(positions)) if row not in bad]
    return columns.take(pa.array(kept, pa.int64())), [positions[row] for row in kept]


def describe_decoding(error: Exception) -> str:
    """What may be said of a decoder's error: its texts repeat data of events."""
    return str(error) if isinstance(error, TrailingBytesError) else type(error).__name__


def _joined(arrays: list[pa.Array], kind: pa.DataType) -> pa.Array:
    return pa.concat_arrays([pa.array([], kind), *arrays])


def _by_frame(values: pa.BinaryArray, rejected: list[Rejected]) -> dict[Frame, list[int]]:
    lengths = pc.fill_null(pc.binary_length(values), 0)
    for position in pc.indices_nonzero(pc.equal(lengths, 0)).to_pylist():
        rejected.append(Rejected(position, "empty_value", "the record has no value"))
    # The two framings have headers of different lengths. Each distinct header is parsed once.
    single_object = pc.starts_with(values, b"\xc3")
    headers = pc.if_else(
        single_object, pc.binary_slice(values, 0, 10), pc.binary_slice(values, 0, 5)
    ).dictionary_encode()
    by_code: defaultdict[int, list[int]] = defaultdict(list)
    for position, code in enumerate(headers.indices.to_pylist()):
        by_code[code].append(position)
    by_frame: dict[Frame, list[int]] = {}
    for code, header in enumerate(headers.dictionary.to_pylist()):
        if not header:
            continue
        positions = by_code[code]
        try:
            by_frame[read_frame(header)] = positions
        except UnknownFramingError as error:
            rejected += [Rejected(p, "unknown_framing", str(error)) for p in positions]
    return by_frame


def _complete(
    columns: pa.RecordBatch,
    positions: list[int],
    data: Sequence[bytes],
    schema: EventSchema,
    rejected: list[Rejected],
) -> tuple[pa.RecordBatch, list[int]]:
    """The rows whose datum ends where its value ends. Others have bytes left over."""
    actual = pa.array(map(len, data), pa.int64())
    expected = encoded_sizes(columns, schema.plain)
    if expected is not None and expected.equals(actual):
        return columns, positions
    suspects = (
        pc.indices_nonzero(pc.not_equal(expected, actual)).to_pylist()
        if expected is not None
        else range(len(positions))
    )
    bad = set()
    for row in suspects:
        try:
            decode_datum(schema, schema, data[row])
        # Bad bytes can make fastavro raise any exception.
        except Exception as error:
            bad.add(row)
            rejected.append(Rejected(positions[row], "malformed", describe_decoding(error)))
    return _without(columns, positions, bad)


def _decode_together(data: list[bytes], schema: EventSchema) -> pa.RecordBatch | None:
    try:
        return pyruhvro.deserialize_array(data, schema.plain_json)
    except (ValueError, OverflowError):
        return None
    except BaseException as error:
        # A panic in the Rust code derives from BaseException.
        if type(error).__name__ != "PanicException":
            raise
        return None


def _decode_good_ones(
    positions: list[int], data: list[bytes], schema: EventSchema, rejected: list[Rejected]
) -> tuple[pa.RecordBatch, list[int]]:
    """Decode all but the bad records. In a slice that fails, fastavro identifies them."""
    items = list(zip(positions, data, strict=True))
    good: list[tuple[int, bytes]] = []
    for start in range(0, len(items), _SLICE):
        part = items[start : start + _SLICE]
        if _decode_together([datum for _, datum in part], schema) is not None:
            good += part
            continue
        for position, datum in part:
            try:
                decode_datum(schema, schema, datum)
            # Bad bytes can make fastavro raise any exception. All of them mean a bad datum.
            except Exception as error:
                rejected.append(Rejected(position, "malformed", describe_decoding(error)))
            else:
                good.append((position, datum))
    columns = _decode_together([datum for _, datum in good], schema)
    if columns is not None:
        return columns, [position for position, _ in good]
    return _decode_one_by_one(good, schema, rejected)


def _decode_one_by_one(
    items: list[tuple[int, bytes]], schema: EventSchema, rejected: list[Rejected]
) -> tuple[pa.RecordBatch, list[int]]:
    """Decode with fastavro, which decides if the two decoders disagree about a record."""
    decoded: list[pa.RecordBatch] = []
    good: list[int] = []
    for position, datum in items:
        try:
            decoded.append(_decode_alone(datum, schema))
            good.append(position)
        # Arrow may reject a value that Avro accepts (a number out of range): also a bad record.
        except Exception as error:
            rejected.append(Rejected(position, "malformed", describe_decoding(error)))
    return (pa.concat_batches(decoded) if decoded else _EMPTY), good


def _decode_alone(datum: bytes, schema: EventSchema) -> pa.RecordBatch:
    record = decode_datum(schema, schema, datum)
    empty = _decode_together([], schema)
    if empty is None:
        raise TypeError("the schema cannot be converted to columns")
    for field in empty.schema:
        if pa.types.is_map(field.type):
            record[field.name] = list(record[field.name].items())
    return pa.RecordBatch.from_pylist([record], schema=empty.schema)


_ANY_LENGTH = 1 << 30
"""Longer than any record. Without an end, Arrow (26.0) fails on short values."""

_SLICE = 32
"""One call of the Arrow decoder costs about as much as fastavro does for this many records."""
_EMPTY = pyruhvro.deserialize_array([], current_schema().plain_json)
_CURRENT = _EMPTY.schema
