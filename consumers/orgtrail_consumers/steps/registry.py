"""Finds the schema that a record was written with: a released version, a folder or a registry."""

from __future__ import annotations

import json
from collections.abc import Callable

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
    ask = (lambda _number: None) if url is None else _registry(url)

    def find(frame: Frame) -> EventSchema | None:
        if frame.fingerprint is not None:
            return known.get(frame.fingerprint)
        return None if frame.registry_id is None else ask(frame.registry_id)

    return find


def _registry(url: str) -> Callable[[int], EventSchema | None]:
    # A third of a second and 12 MB, which only those pay who use a registry.
    from confluent_kafka.schema_registry import SchemaRegistryClient
    from confluent_kafka.schema_registry.error import SchemaRegistryError

    registry = SchemaRegistryClient({"url": url})
    answered: dict[int, EventSchema | None] = {}

    def ask(number: int) -> EventSchema | None:
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

    return ask


def _parsed(text: str | None) -> EventSchema | None:
    """The parsed schema; ``None`` if it is not an Avro record. A registry holds other kinds too."""
    try:
        definition = json.loads(text or "")
        return EventSchema(definition) if definition["type"] == "record" else None
    except (ValueError, KeyError, TypeError, SchemaParseException, UnknownType):
        return None
