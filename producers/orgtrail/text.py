"""Text from outside made fit to send: nothing that a client sends stops an event.

Each function returns what is sent and adds to ``repairs`` what it did, such as
``context.user_agent: cut``. The rules:

- ``None`` is the empty text; ``True`` and ``False`` are ``true`` and ``false``; an ``int``,
  ``float``, ``Decimal``, ``UUID``, ``timedelta``, path or IP address is what ``str`` gives;
- a ``datetime``, ``date`` or ``time`` is ISO 8601, a ``datetime`` with a zone in UTC; an ``Enum``
  is its value; bytes are read as UTF-8;
- a list, set or mapping is JSON, in which the values of secret names are redacted.
- What is too long is cut. A lone surrogate becomes U+FFFD.
- An address loses its port, brackets and zone, and an IPv4 address mapped into IPv6 becomes IPv4.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from functools import lru_cache
from pathlib import PurePath
from typing import TYPE_CHECKING, Any
from uuid import UUID

from orgtrail.errors import InvalidEventError
from orgtrail_schemas.catalogue import REDACTED, catalogue

if TYPE_CHECKING:
    Text = str | int | float | Decimal | UUID | datetime | date | time | Enum | bytes | None
    """What the SDK takes as text; this module says how each becomes one."""
else:
    Text = Any

_SURROGATE = re.compile("[\ud800-\udfff]")
_PORT = re.compile(r"(\d+\.\d+\.\d+\.\d+):\d+|\[([^\]]*)\](?::\d+)?")


def text(value: Any, length: int, field: str, repairs: list[str]) -> str:
    """The value as text of at most ``length`` characters.

    Raises:
        InvalidEventError: it is of a type that has no documented text: a mistake of the caller.
    """
    if type(value) is not str:
        if value is None:
            return ""
        value = _from(value, field)
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            value = _SURROGATE.sub("\ufffd", value)
            repairs.append(f"{field}: invalid Unicode")
    if len(value) > length:
        repairs.append(f"{field}: cut")
        value = value[:length]
    return str(value)


def email(value: Any, length: int, field: str, repairs: list[str]) -> str:
    """An email address as text, its domain in lower case (RFC 5321, section 2.4)."""
    cleaned = text(value, length, field, repairs)
    if cleaned.islower():
        return cleaned
    name, at, domain = cleaned.rpartition("@")
    return f"{name}@{domain.lower()}" if at else cleaned


@lru_cache(4_096)
def address(value: str) -> str | None:
    """The canonical text of an IPv4 or IPv6 address, or ``None`` when the text holds none."""
    value = value.strip().strip('"')
    match = _PORT.fullmatch(value)
    if match is not None:
        value = match[1] or match[2]
    try:
        found = ipaddress.ip_address(value.partition("%")[0])
    except ValueError:
        return None
    return str(getattr(found, "ipv4_mapped", None) or found)


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
        # Within a day of the year 1 or 9999.
        return value.isoformat()


def _number(value: Any) -> str:
    try:
        return str(value)
    except ValueError:
        # An int of over 4,300 digits (sys.set_int_max_str_digits) is written as far as it is kept.
        return hex(value)


# In this order: a bool is an int as well, and a datetime a date.
_CONVERSIONS: tuple[tuple[Any, Callable[[Any], str]], ...] = (
    # Of a subclass: its own characters, whatever its __str__ says.
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
    """The value without the secrets that its mappings name."""
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
        raise InvalidEventError(field, "must be text, or something that JSON can hold") from None
