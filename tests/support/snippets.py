"""The Python snippets of docs/outbox.md, as a reader would copy them."""

from __future__ import annotations

import re
from pathlib import Path

PAGE = Path(__file__).resolve().parents[2] / "docs/outbox.md"


def snippet(name: str) -> str:
    """The one snippet that names a library."""
    blocks = re.findall(
        r"^```python\n(.*?)^```$", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL
    )
    marks = {
        "sqlalchemy": "Session(", "django": "django.db", "psycopg": "psycopg.", "sqlite3": "sqlite3.",
    }  # fmt: skip
    (found,) = [block for block in blocks if marks[name] in block]
    return str(found)
