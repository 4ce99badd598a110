"""The outbox in a Django process of its own: ``python -m tests.support.django_outbox URL``.

Prints as JSON how many rows there are after each step, and what was logged. Django can be configured
once in a process, so this is none of the tests' own.
"""

from __future__ import annotations

import json
import logging
import sys
from typing import Any
from urllib.parse import urlsplit


def main(url: str) -> None:
    import django
    from django.conf import settings

    place = urlsplit(url)
    name = place.path[1:]
    database: dict[str, Any] = {"ENGINE": "django.db.backends.sqlite3", "NAME": name}
    if place.scheme == "postgresql":
        database |= {
            "ENGINE": "django.db.backends.postgresql",
            "USER": place.username, "HOST": place.hostname, "PORT": place.port,
        }  # fmt: skip
    settings.configure(DATABASES={"default": database})
    django.setup()
    from django.db import connection, transaction
    from tests.support.snippets import snippet

    from orgtrail import Actor
    from orgtrail.outbox import Outbox

    logged: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: logged.append(record.getMessage())  # type: ignore[method-assign]
    logging.getLogger("orgtrail").addHandler(handler)
    outbox, counts = Outbox(), []

    def count() -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM orgtrail_outbox")
            counts.append(cursor.fetchone()[0])

    def login() -> None:
        outbox.emit(connection, "user.login", org_id="acme", actor=Actor(id="u-1"))

    try:
        with transaction.atomic():
            login()
            raise ZeroDivisionError
    except ZeroDivisionError:
        count()
    exec(snippet("django"), {"outbox": outbox, "Actor": Actor})
    count()
    quiet = len(logged)
    login()
    login()
    count()
    print(json.dumps({"counts": counts, "quiet": quiet, "logged": logged}))


if __name__ == "__main__":
    main(sys.argv[1])
