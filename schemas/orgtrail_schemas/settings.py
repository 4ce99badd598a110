"""Settings: declared once, read once from the environment, documented from the declaration.

Every process declares its settings as a ``Settings`` struct and calls ``load`` at its entry point.
Settings that several processes share (Kafka, ClickHouse) are declared in ``connections.py``.
"""

from __future__ import annotations

import os
import re
import typing
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import msgspec
from msgspec import Meta

from orgtrail_schemas.reading import convert

S = TypeVar("S", bound="Settings")

PREFIX = "ORGTRAIL_"

_IPV6_ADDRESS = re.compile(r"\s*\[[0-9A-Fa-f:.]+\]:\d")
"""With a port, as in a list of addresses, which is then no JSON."""

_BOOLEANS = {"yes": "true", "on": "true", "no": "false", "off": "false"}


class SettingsError(ValueError):
    """A setting is invalid. The message is one line; it names the setting and shows no secret."""


class Secret:
    """A secret value, given directly or in a file. Its ``repr`` does not show it.

    The file is read at each ``reveal``, so that the next connection uses a rotated secret.
    """

    __slots__ = ("_file", "_value", "_variable")

    def __init__(
        self, value: str | None = None, *, file: Path | None = None, variable: str = ""
    ) -> None:
        """``variable`` is the name that an error about the file mentions."""
        self._value = value
        self._file = file
        self._variable = variable

    def reveal(self) -> str:
        """The secret itself.

        Raises:
            SettingsError: the file cannot be read.
        """
        if self._value is not None:
            return self._value
        if self._file is None:
            return ""
        try:
            return self._file.read_text("utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise wrong(self._variable, f"{self._file} cannot be read: {_reason(error)}") from None

    def __bool__(self) -> bool:
        return bool(self._value) or self._file is not None

    def __repr__(self) -> str:
        return "Secret(***)"


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The base of every process's settings. Plain strings become ``Secret`` in secret fields."""

    def __post_init__(self) -> None:
        for name in _secret_names(type(self)):
            value = getattr(self, name)
            if isinstance(value, str):
                msgspec.structs.force_setattr(self, name, Secret(value))

    @classmethod
    def load(
        cls: type[S],
        environment: Mapping[str, str] | None = None,
        *,
        prefix: str = PREFIX,
        **given: Any,
    ) -> S:
        """Load the settings: ``given`` values first, then ``environment`` (``os.environ``).

        An empty variable counts as not set. A secret ``X`` may be given as ``X`` or as ``X_FILE``,
        the path of a file that contains it.

        Raises:
            SettingsError: a value is invalid or missing.
        """
        variables = os.environ if environment is None else environment
        values = _values(cls, prefix, variables, given)
        try:
            settings = convert(values, cls, strict=False, dec_hook=_decode)
        except msgspec.ValidationError as error:
            raise _named(error, prefix) from None
        settings.check(prefix)
        return settings

    def check(self, prefix: str) -> None:
        """Check that the settings are valid. ``load`` calls this; subclasses extend it.

        Raises:
            SettingsError: a value is invalid.
        """
        for field, kind, _ in _fields(type(self)):
            if _is_settings(kind):
                getattr(self, field.name).check(f"{prefix}{field.name.upper()}_")


class Described(NamedTuple):
    """One environment variable, for the docs. ``default`` is ``None`` if it is required."""

    variable: str
    default: str | None
    description: str


def about(description: str, **bounds: Any) -> Meta:
    """Describe a setting, and bound its value with msgspec's constraints."""
    return Meta(description=description, **bounds)


def wrong(variable: str, problem: str) -> SettingsError:
    """An error about one variable."""
    return SettingsError(f"{variable}: {problem}")


def require_readable(variable: str, file: Path | None) -> None:
    """Check that the file can be read, if it is set.

    Raises:
        SettingsError: the file cannot be read.
    """
    if file is not None and not os.access(file, os.R_OK):
        raise wrong(variable, f"{file} cannot be read")


def described(cls: type[Settings], prefix: str = PREFIX) -> Iterator[Described]:
    """Describe every variable that ``load`` reads."""
    for field, kind, meta in _fields(cls):
        variable = prefix + field.name.upper()
        if _is_settings(kind):
            yield from described(kind, f"{variable}_")
            continue
        yield Described(variable, _shown(field), meta.description or "")
        if _is_secret(kind):
            yield Described(f"{variable}_FILE", "", f"A file that contains {variable}.")


def _shown(field: msgspec.structs.FieldInfo) -> str | None:
    if field.required:
        return None
    value = field.default if field.default is not msgspec.NODEFAULT else field.default_factory()
    if value is None:
        return ""
    if isinstance(value, Secret):
        return value.reveal()
    if isinstance(value, list | tuple):
        return ",".join(value)
    return str(value)


def _fields(cls: type[Settings]) -> Iterator[tuple[msgspec.structs.FieldInfo, Any, Meta]]:
    hints = typing.get_type_hints(cls, include_extras=True)
    for field in msgspec.structs.fields(cls):
        hint = hints[field.name]
        if typing.get_origin(hint) is typing.Annotated:
            kind, meta = typing.get_args(hint)[:2]
            yield field, kind, meta
        else:
            yield field, hint, Meta()


def _values(
    cls: type[Settings], prefix: str, variables: Mapping[str, str], given: Mapping[str, Any]
) -> dict[str, Any]:
    values: dict[str, Any] = {}
    rest = dict(given)
    for field, kind, _ in _fields(cls):
        name, variable = field.name, prefix + field.name.upper()
        if _is_settings(kind):
            own = {*cls.__struct_fields__, *(f"{n}_file" for n in _secret_names(cls))}
            inner = {
                k: rest.pop(k) for k in list(rest) if k.startswith(f"{name}_") and k not in own
            }
            inner = {k.removeprefix(f"{name}_"): v for k, v in inner.items()}
            values[name] = _values(kind, f"{variable}_", variables, inner)
        elif name in rest:
            values[name] = rest.pop(name)
            if _is_secret(kind) and rest.pop(f"{name}_file", None) is not None:
                raise wrong(variable, f"is given twice: also as {variable}_FILE")
        elif _is_secret(kind) and f"{name}_file" in rest:
            values[name] = _secret_file(rest.pop(f"{name}_file"), f"{variable}_FILE")
        elif variables.get(variable):
            values[name] = _from_text(kind, variables[variable])
        elif _is_secret(kind) and variables.get(f"{variable}_FILE"):
            values[name] = _secret_file(variables[f"{variable}_FILE"], f"{variable}_FILE")
        if isinstance(values.get(name), Path):
            values[name] = str(values[name])
    return values | rest


def _from_text(kind: Any, text: str) -> Any:
    if kind is bool:
        return _BOOLEANS.get(text.lower(), text)
    if typing.get_origin(kind) is list:
        # JSON, or comma-separated.
        if text.lstrip().startswith("[") and not _IPV6_ADDRESS.match(text):
            try:
                return msgspec.json.decode(text)
            except msgspec.DecodeError:
                return text
        return [item.strip() for item in text.split(",") if item.strip()]
    return text


def _secret_file(path: Any, variable: str) -> Any:
    return None if path is None else Secret(file=Path(path).absolute(), variable=variable)


@cache
def _secret_names(cls: type[Settings]) -> tuple[str, ...]:
    return tuple(field.name for field, kind, _ in _fields(cls) if _is_secret(kind))


def _is_settings(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Settings)


def _is_secret(kind: Any) -> bool:
    return kind is Secret or Secret in typing.get_args(kind)


def _decode(kind: type, value: Any) -> Any:
    if kind is Secret:
        return value if isinstance(value, Secret) else Secret(str(value))
    if kind is Path and isinstance(value, str) and value:
        # Make it absolute, because a service may change its working directory.
        return Path(value).absolute()
    raise ValueError("must be a path")


def _named(error: msgspec.ValidationError, prefix: str) -> SettingsError:
    problem, _, place = str(error).partition(" - at `$.")
    missing = problem.partition("missing required field `")[2].rstrip("`")
    if missing:
        inner = place.rstrip("`").replace(".", "_")
        return wrong(prefix + "_".join(filter(None, [inner, missing])).upper(), "is required")
    unknown = problem.partition("unknown field `")[2].rstrip("`")
    if unknown:
        inner = place.rstrip("`").replace(".", "_")
        return SettingsError(f"{'_'.join(filter(None, [inner, unknown]))} is not a setting")
    if place:
        return wrong(
            prefix + place.rstrip("`").partition("[")[0].replace(".", "_").upper(), problem
        )
    return SettingsError(problem)


def _reason(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or type(error).__name__
