"""Reads the fields of an object by name, for ``diff``.

No library is imported here. An object of a library can only exist if the service has imported it.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Iterable, Mapping, Set
from datetime import date, time
from decimal import Decimal
from enum import Enum
from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from orgtrail.errors import InvalidEventError

_SCALARS = str | int | float | Decimal | UUID | date | time
_MISSING = object()
_NO_TEXT: Any = object.__str__


class Fields(NamedTuple):
    """The values by name, and the names of fields that are not loaded or not set.

    ``open`` marks a mapping, which may lack keys that other mappings of its kind have.
    """

    values: dict[str, Any]
    unknown: frozenset[str] = frozenset()
    open: bool = False

    def names(self) -> Iterable[str]:
        """Return the names of all fields."""
        return self.values.keys() | self.unknown

    def has(self, name: str) -> bool:
        """Whether the object has this field, even if its value is unknown."""
        return name in self.values or name in self.unknown


def fields_of(side: str, obj: object) -> Fields:
    """Return a copy of the fields of an object.

    Raises:
        InvalidEventError: the object's type does not declare its fields.
    """
    if obj is None:
        return Fields({})
    raw = _raw(obj)
    if raw is None:
        raise InvalidEventError(
            side,
            "must be a mapping, dataclass, attrs class, pydantic model, msgspec struct or Django"
            f" model, not {type(obj).__name__}; pass a dict of the fields to compare",
        )
    values, unknown = {}, set()
    for key, value in raw.items():
        name = _key(key)
        if value is _MISSING or value is msgspec.UNSET:
            unknown.add(name)
        else:
            try:
                values[name] = plain(name, value)
            except RecursionError:
                raise InvalidEventError(name, "is nested too deeply, or contains itself") from None
    return Fields(values, frozenset(unknown), isinstance(obj, Mapping))


def plain(field: str, value: Any) -> Any:
    """Copy the value into dicts, lists and immutable values, which can be compared and stored.

    Raises:
        InvalidEventError: the value cannot be converted to text.
    """
    if isinstance(value, Enum):
        return plain(field, value.value)
    if _is_django(value):
        # For a related object compare its primary key, not its fields.
        return plain(field, value.pk)
    raw = _raw(value)
    if raw is not None:
        present = {k: v for k, v in raw.items() if v is not _MISSING and v is not msgspec.UNSET}
        return {_key(name): plain(field, inner) for name, inner in present.items()}
    if isinstance(value, list | tuple):
        return [plain(field, inner) for inner in value]
    if isinstance(value, Set):
        return sorted((plain(field, inner) for inner in value), key=_order)
    return _single(field, value)


def _single(field: str, value: Any) -> Any:
    if value is None or isinstance(value, _SCALARS) or hasattr(value, "get_secret_value"):
        return value
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value)
    if hasattr(value, "resolve_expression"):
        raise InvalidEventError(field, "is a database expression: call refresh_from_db() first")
    # Addresses, paths, URLs, time spans and money define their own __str__.
    if type(value).__str__ is not _NO_TEXT and not isinstance(value, type):
        return str(value)
    raise InvalidEventError(field, f"must be text, not {type(value).__name__}")


def _raw(obj: Any) -> dict[Any, Any] | None:
    """Return the values by name, ``_MISSING`` if not loaded; ``None`` for unsupported objects."""
    kind = type(obj)
    if isinstance(obj, type):
        return None
    names: Iterable[str] | None = None
    if isinstance(obj, Mapping):
        return dict(obj)
    if isinstance(obj, msgspec.Struct):
        names = kind.__struct_fields__
    elif hasattr(kind, "__dataclass_fields__"):
        names = (field.name for field in dataclasses.fields(obj))
    elif hasattr(kind, "__attrs_attrs__"):
        names = (attribute.name for attribute in kind.__attrs_attrs__)
    if names is not None:
        return {name: getattr(obj, name, _MISSING) for name in names}
    if hasattr(kind, "__pydantic_validator__"):
        return _pydantic(obj, kind)
    return _django(obj) if _is_django(obj) else None


def _pydantic(obj: Any, kind: Any) -> dict[str, Any]:
    # Read __dict__, because attribute access on a model of a database library may run a query.
    values = {name: obj.__dict__.get(name, _MISSING) for name in kind.model_fields}
    return values | (obj.__pydantic_extra__ or {})


def _is_django(obj: Any) -> bool:
    models = sys.modules.get("django.db.models")
    return models is not None and isinstance(obj, models.Model)


def _django(obj: Any) -> dict[str, Any]:
    deferred = obj.get_deferred_fields()
    names = [field.attname for field in obj._meta.concrete_fields]
    return {name: _MISSING if name in deferred else getattr(obj, name) for name in names}


def _key(name: Any) -> str:
    value = name.value if isinstance(name, Enum) else name
    return value if isinstance(value, str) else str(value)


def _order(value: Any) -> tuple[str, str]:
    return type(value).__name__, str(value)
