"""Reads data as structs, in any thread.

msgspec looks at a struct's fields when the struct is read for the first time. Two threads that do
so at the same moment end the process (a segmentation fault, seen with msgspec 0.22.0), so they take
turns.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

T = TypeVar("T")
# A hook, or a signal's handler, may read another struct meanwhile.
_turn = threading.RLock()


def _forget() -> None:
    # Of the thread that has the lock, a forked process has no copy.
    global _turn  # noqa: PLW0603
    _turn = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)


def convert(
    value: object,
    kind: type[T],
    *,
    strict: bool = True,
    dec_hook: Callable[[type, Any], Any] | None = None,
) -> T:
    """The value as this type, as ``msgspec.convert`` has it.

    Raises:
        msgspec.ValidationError: it does not fit.
    """
    with _turn:
        return msgspec.convert(value, kind, strict=strict, dec_hook=dec_hook)


def read_json(text: bytes | str, kind: type[T]) -> T:
    """The JSON as this type.

    Raises:
        msgspec.DecodeError: it is not JSON, or does not fit.
    """
    with _turn:
        return msgspec.json.decode(text, type=kind)


def read_toml(text: bytes | str, kind: type[T]) -> T:
    """The TOML as this type.

    Raises:
        msgspec.DecodeError: it is not TOML, or does not fit.
    """
    with _turn:
        return msgspec.toml.decode(text, type=kind)
