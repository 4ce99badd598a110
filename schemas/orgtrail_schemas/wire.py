"""An event as bytes, for whoever writes it on a hot path: the header of the schema and the datum.

Importing this does not import fastavro, which takes longer to load than a thousand events take to
encode; ``codec`` is the full account of the wire.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

from orgtrail_schemas.encoder import Encoder, compile_encoder

HEADERS: dict[int, bytes] = {1: bytes.fromhex("c30101125a43796da5a0")}
"""The ten bytes before each datum, by the version of the schema: Avro's marker and fingerprint.

A test compares them with fastavro's and Apache Avro's.
"""

CURRENT = max(HEADERS)
"""The version of the schema that this release writes."""


@cache
def event_encoder() -> Encoder:
    """The function that encodes the fields of an event that has none but ordinary values.

    It raises ``LookupError``, ``TypeError``, ``AttributeError`` or ``ValueError`` for what it does
    not cover; ``codec.encode`` covers everything.
    """
    path = Path(__file__).parent / "avro" / f"audit_event.v{CURRENT}.avsc"
    return compile_encoder(json.loads(path.read_text("utf-8")), HEADERS[CURRENT])
