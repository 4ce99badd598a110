"""Queries the local ClickHouse as the analyst that the stack comes with."""

from __future__ import annotations

import urllib.error
import urllib.request
from pathlib import Path

from orgtrail_deploy.errors import StackError
from orgtrail_deploy.local.ports import LOOPBACK
from orgtrail_deploy.local.secrets import ANALYST, load_secrets


def ask(root: Path, port: int, query: str, output_format: str) -> str:
    """Return the result of a query, in one of ClickHouse's output formats.

    Raises:
        StackError: ClickHouse rejects the query, or is unreachable.
    """
    request = urllib.request.Request(
        f"http://{LOOPBACK}:{port}/",
        data=query.encode(),
        headers={
            "X-ClickHouse-User": ANALYST.name,
            "X-ClickHouse-Key": load_secrets(root).passwords[ANALYST.name],
            "X-ClickHouse-Format": output_format,
        },
    )
    try:
        with urllib.request.urlopen(request, timeout=300) as answer:  # noqa: S310
            text: str = answer.read().decode()
            return text
    except urllib.error.HTTPError as error:
        raise StackError(error.read().decode().splitlines()[0]) from None
    except OSError as error:
        raise StackError(f"ClickHouse is unreachable on port {port}: run make up first") from error
