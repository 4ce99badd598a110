"""Finds the schema that a record was written with: a released version, a folder or a registry."""

from __future__ import annotations

import json

from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.error import SchemaRegistryError
from fastavro.schema import SchemaParseException, UnknownType

from orgtrail_consumers.errors import RegistryUnavailableError
from orgtrail_consumers.settings import ConsumerSettings
from orgtrail_consumers.steps.decode import FindSchema
from orgtrail_schemas.codec import Frame
from orgtrail_schemas.event_schema import EventSchema, schemas_by_fingerprint


def schema_finder(settings: ConsumerSettings) -> FindSchema:
    """The finder for a worker's lifetime. It caches the schemas that the registry returns.

    Raises:
        OSError, ValueError: the folder of additional schemas cannot be read.
    """
    known = schemas_by_fingerprint(settings.schema_dir)
    url = settings.schema_registry_url
    registry = None if url is None else SchemaRegistryClient({"url": url})
    answered: dict[int, EventSchema | None] = {}

    def find(frame: Frame) -> EventSchema | None:
        if frame.fingerprint is not None:
            return known.get(frame.fingerprint)
        number = frame.registry_id
        if number is None or registry is None:
            return None
        if number not in answered:
            try:
                text = registry.get_schema(number).schema_str
            except SchemaRegistryError as error:
                if error.http_status_code == 404:
                    return None
                raise RegistryUnavailableError(type(error).__name__) from error
            # Any error of the HTTP client: without an answer, the schema may still exist.
            except Exception as error:
                raise RegistryUnavailableError(type(error).__name__) from error
            answered[number] = _parsed(text)
        return answered[number]

    return find


def _parsed(text: str | None) -> EventSchema | None:
    """The parsed schema; ``None`` if it is not an Avro record. A registry holds other kinds too."""
    try:
        definition = json.loads(text or "")
        return EventSchema(definition) if definition["type"] == "record" else None
    except (ValueError, KeyError, TypeError, SchemaParseException, UnknownType):
        return None
