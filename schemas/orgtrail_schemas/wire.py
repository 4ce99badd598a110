"""Fast encoding of an event for hot paths: the schema's header, then the datum.

Importing this module does not import fastavro, which takes longer to load than encoding a thousand
events. ``codec`` implements the complete wire format.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

from orgtrail_schemas.encoder import Encoder, compile_encoder

HEADERS: dict[int, bytes] = {1: bytes.fromhex("c30101125a43796da5a0")}
"""The ten bytes before each datum, by schema version: Avro's marker and the fingerprint.

A test compares them with those of fastavro and Apache Avro.
"""

ALIASES: dict[int, dict[str, str]] = {
    1: {
        "5b73e366af7415b8": "Apache Avro for Python and for Rust",
        "af2449aa5ca28235": "hamba/avro for Go",
    },
}
"""Other fingerprints that libraries compute for a version, and which ones do.

They keep ``logicalType``, or the object around a primitive type, which the canonical form of the
Avro specification strips. The consumer accepts these fingerprints too.
"""

CURRENT = max(HEADERS)
"""The version of the schema that this release writes."""


@cache
def event_encoder() -> Encoder:
    """The function that encodes events with ordinary values.

    It raises ``LookupError``, ``TypeError``, ``AttributeError`` or ``ValueError`` for values that
    it does not cover. ``codec.encode`` covers all values.
    """
    path = Path(__file__).parent / "avro" / f"audit_event.v{CURRENT}.avsc"
    return compile_encoder(json.loads(path.read_text("utf-8")), HEADERS[CURRENT])
