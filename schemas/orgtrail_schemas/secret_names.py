"""Decides whether a name means a secret, in any spelling: ``newPassword``, ``x-api-key``.

The secret names are in ``[fields]`` of ``catalogue.toml``. The SDK and the consumer both use this
module, so that either both redact a value or neither does.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

# A word begins at an upper-case letter after a lower-case letter or digit, and after any character
# that is not a letter or digit: newPassword, x-api-key, user.password[0].
_WORDS = re.compile(r"[^\W_]+", re.UNICODE)
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
# Shorter names occur within ordinary words ("pin" in "shipping"), so only whole words match them.
_JOINED_LENGTH = 6


def words(name: str) -> tuple[str, ...]:
    """The words of a name in lower case: ``("new", "password")`` for ``newPassword``."""
    name = unicodedata.normalize("NFKC", name)
    return tuple(w.casefold() for w in _WORDS.findall(_CAMEL.sub(" ", name)))


def normal(name: str) -> str:
    """The name without case and separators: ``apikey`` for ``api-key``, ``apiKey``, ``API_KEY``."""
    return "".join(words(name))


class SecretNames:
    """A set of secret names that matches every spelling of them."""

    def __init__(self, names: Iterable[str]) -> None:
        """``names`` are in snake case, as in the catalogue."""
        secrets = [words(name) for name in names]
        self._joined = {"".join(secret) for secret in secrets}
        self._parts = tuple(text for text in self._joined if len(text) >= _JOINED_LENGTH)
        self._longest = max((len(secret) for secret in secrets), default=0)

    def same(self, name: str) -> bool:
        """Whether the name, or its part after the last dot, is one of them in any spelling."""
        return normal(name) in self._joined or normal(name.rpartition(".")[2]) in self._joined

    def contained(self, name: str) -> bool:
        """Whether the name contains one of them anywhere, as in ``db_password_2``."""
        original = words(name)
        # A plural counts as its singular: tokens, passwords.
        singular = tuple(w[:-1] if w.endswith("s") else w for w in original)
        for sequence in (original, singular):
            for start in range(len(sequence)):
                for end in range(start + 1, min(start + self._longest, len(sequence)) + 1):
                    if "".join(sequence[start:end]) in self._joined:
                        return True
        joined = "".join(original)
        return any(part in joined for part in self._parts)
