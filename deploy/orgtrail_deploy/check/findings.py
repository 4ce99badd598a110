"""The answers of ``orgtrail check``."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple


class Verdict(Enum):
    """What a finding means. Only ``FAILED`` makes the command exit with 1."""

    OK = "ok"
    FAILED = "FAILED"
    NOTE = "note"
    """It works, and the operator should know."""
    UNKNOWN = "not checked"


class Finding(NamedTuple):
    """The answer to one question. ``remedy`` is the operator's next step."""

    question: str
    verdict: Verdict
    seen: str
    remedy: str = ""


def ok(question: str, seen: str) -> Finding:
    """All is well."""
    return Finding(question, Verdict.OK, seen)


def failed(question: str, seen: str, remedy: str) -> Finding:
    """Something must be mended."""
    return Finding(question, Verdict.FAILED, seen, remedy)


def note(question: str, seen: str) -> Finding:
    """Something works, and the operator should know it."""
    return Finding(question, Verdict.NOTE, seen)


def unknown(question: str, why: str) -> Finding:
    """The question could not be asked."""
    return Finding(question, Verdict.UNKNOWN, why)
