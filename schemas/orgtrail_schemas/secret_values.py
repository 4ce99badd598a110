"""Values that are credentials by their form, whatever the field is called.

The patterns are prefixes that their issuers publish so that leaks can be found. They work in
Python's ``re`` and in RE2, which Arrow uses. Other credentials have no form: declare their names.
"""

from __future__ import annotations

import re

from orgtrail_schemas.catalogue import REDACTED

# A JSON Web Token (JWT).
_JWT_BEGIN = r"\beyJ[A-Za-z0-9_-]{8,}"
_JWT_REST = r"\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*"

_FORMS = {
    "private key (PEM)": (
        r"-----BEGIN [A-Z ]{0,20}PRIVATE KEY-----[^-]*"
        r"(?:-----END [A-Z ]{0,20}PRIVATE KEY-----)?"
    ),
    "AWS access key": r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b",
    "GitHub token": r"\b(?:gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{22,})",
    "GitLab token": r"\bglpat-[A-Za-z0-9_-]{20,}",
    "Slack token": r"\bxox[abeoprs]-[A-Za-z0-9-]{10,}",
    "Stripe secret key": r"\b[rs]k_(?:live|test)_[A-Za-z0-9]{16,}",
    "Google API key": r"\bAIza[A-Za-z0-9_-]{35}",
    "npm token": r"\bnpm_[A-Za-z0-9]{36}",
    "password in an address": r"\b[a-z][a-z0-9+.-]{1,20}://[^\s/:@]{0,64}:[^\s/@]{1,256}@",
}

_OTHER = "|".join(f"(?:{form})" for form in _FORMS.values())
PATTERN = f"(?:{_JWT_BEGIN}{_JWT_REST})|{_OTHER}"
"""One pattern for all forms."""

# ASCII: Python's word boundaries are then those of RE2.
_SECRET = re.compile(_OTHER, re.ASCII)
# The rest is optional, so that a run of characters without it is passed over once. Otherwise every
# "eyJ" within it would be tried up to its end: minutes for a hostile text of one megabyte.
_JWT = re.compile(f"{_JWT_BEGIN}({_JWT_REST})?", re.ASCII)
# A quick look for what every form contains; nearly all texts contain none of these.
_HINT = re.compile(
    r"eyJ|-----BEGIN|A[KS]IA|gh[pousr]_|github_pat_|glpat-|xox|k_live_|k_test_|AIza|npm_|://"
)


def may_hold_secret(text: str) -> bool:
    """A quick look: if it is false, the text contains no credential."""
    return _HINT.search(text) is not None


def redact_values(text: str) -> str:
    """The text with every credential in it replaced by ``[redacted]``."""
    if not may_hold_secret(text):
        return text
    text = _JWT.sub(lambda match: REDACTED if match[1] else match[0], text)
    return _SECRET.sub(REDACTED, text)
