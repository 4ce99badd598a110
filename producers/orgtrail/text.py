"""Converts values to text and repairs text from clients, so that client input never stops an event.

Each function returns the text to send. It appends a description of every repair to ``repairs``,
such as ``context.user_agent: cut``. The rules:

- ``None`` becomes the empty string. ``True`` and ``False`` become ``true`` and ``false``. An
  ``int``, ``float``, ``Decimal``, ``UUID``, ``timedelta``, path or IP address is converted by
  ``str``.
- A ``datetime``, ``date`` or ``time`` is written in ISO 8601, a ``datetime`` with a time zone in
  UTC. An ``Enum`` is replaced by its value. Bytes are decoded as UTF-8.
- A list, set or mapping is written as JSON. Values under secret names are redacted.
- Text that is too long is truncated. A lone surrogate is replaced by U+FFFD.
- Port, brackets and zone are removed from an address. An IPv4-mapped IPv6 address becomes IPv4.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import PurePath
from typing import TYPE_CHECKING, Any
from uuid import UUID

from orgtrail.errors import InvalidEventError
from orgtrail_schemas.catalogue import REDACTED, catalogue
from orgtrail_schemas.repair import address, lower_domain, shorten

__all__ = ["Text", "address", "email", "text"]

if TYPE_CHECKING:
    Text = str | int | float | Decimal | UUID | datetime | date | time | Enum | bytes | None
    """The types that the SDK accepts as text. The module docstring lists the conversions."""
else:
    Text = Any


def text(value: Any, length: int, field: str, repairs: list[str]) -> str:
    """Convert the value to text of at most ``length`` characters.

    Raises:
        InvalidEventError: the module docstring lists no conversion for this type.
    """
    if type(value) is not str:
        if value is None:
            return ""
        value = _from(value, field)
    return shorten(value, length, field, repairs)


def email(value: Any, length: int, field: str, repairs: list[str]) -> str:
    """Convert an email address to text, with its domain in lower case (RFC 5321, section 2.4)."""
    return lower_domain(text(value, length, field, repairs))


def _from(value: Any, field: str) -> str:
    if isinstance(value, Enum):
        value = value.value
    for kinds, convert in _CONVERSIONS:
        if isinstance(value, kinds):
            return convert(value)
    if isinstance(value, Mapping | list | tuple | set | frozenset):
        return _json(value, field)
    kind = type(value)
    if kind.__module__ == "uuid_utils" and kind.__name__ == "UUID":
        return str(value)
    raise InvalidEventError(field, f"must be text, not {kind.__name__}")


def _moment(value: datetime) -> str:
    try:
        return (value if value.utcoffset() is None else value.astimezone(UTC)).isoformat()
    except OverflowError:
        # Conversion to UTC would leave the years 1 to 9999.
        return value.isoformat()


def _number(value: Any) -> str:
    try:
        return str(value)
    except ValueError:
        # str refuses an int of over 4,300 digits (sys.set_int_max_str_digits); hex does not.
        return hex(value)


# The order matters: bool is a subclass of int, and datetime of date.
_CONVERSIONS: tuple[tuple[Any, Callable[[Any], str]], ...] = (
    # For a subclass of str, take its characters and ignore an overridden __str__.
    (str, str.__str__),
    (bool, lambda value: "true" if value else "false"),
    (datetime, _moment),
    ((date, time), lambda value: value.isoformat()),
    ((int, float, Decimal, UUID), _number),
    ((timedelta, PurePath, ipaddress.IPv4Address, ipaddress.IPv6Address), str),
    ((bytes, bytearray), lambda value: bytes(value).decode("utf-8", "replace")),
    (type(None), lambda _value: ""),
)


def _redacted(value: Any) -> Any:
    """Redact the values under secret names in nested mappings."""
    if isinstance(value, Mapping):
        known = catalogue()
        return {
            str(key): REDACTED if known.is_secret_name(str(key)) else _redacted(item)
            for key, item in value.items()
        }
    if isinstance(value, list | tuple):
        return [_redacted(item) for item in value]
    if isinstance(value, set | frozenset):
        return sorted(map(str, value))
    return value


def _json(value: Any, field: str) -> str:
    import json

    try:
        return json.dumps(_redacted(value), ensure_ascii=False, default=str)
    except (TypeError, ValueError, RecursionError):
        raise InvalidEventError(field, "must be text or JSON-serializable") from None
