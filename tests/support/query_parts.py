"""The query service's parts without servers: a database of prepared rows, a caller by token."""

from __future__ import annotations

import gzip as gzip_module
import re
from collections.abc import AsyncGenerator
from datetime import UTC, datetime

from orgtrail import AuditProducer, ProducerSettings
from orgtrail_query_service.auth.administrator import Administrator
from orgtrail_query_service.auth.bounds import Bounds
from orgtrail_query_service.auth.oidc import OidcProvider
from orgtrail_query_service.auth.organization_log import Logs, Shard
from orgtrail_query_service.parts import Parts
from orgtrail_query_service.problems import unauthenticated, unavailable
from orgtrail_query_service.reads.cursor import Cursors
from orgtrail_query_service.self_audit import SelfAudit
from orgtrail_query_service.settings import QuerySettings
from orgtrail_schemas.tables import stored_columns

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
SETTINGS = QuerySettings(jwt_issuer="https://issuer.example", secret="s" * 32)


class FakeDatabase:
    """Answers each statement by the table that it reads; remembers the statements."""

    def __init__(self) -> None:
        self.answers = {"audit.ingest_progress": [(None,)], "audit.dead_letters": [(0,)]}
        self.asked = []
        self.away = False

    async def rows(self, statement, counted_for, seconds):
        if self.away:
            raise unavailable()
        self.asked.append(statement)
        rows = next((rows for table, rows in self.answers.items() if table in statement.sql), [])
        asked = re.findall("`([^`]+)`", statement.sql.split(" FROM ")[0])
        if not asked:
            return rows
        # Rows are prepared whole; the page asks for a part of them.
        whole = [dict(zip(stored_columns(), row, strict=True)) for row in rows]
        return [tuple(row[name] for name in asked) for row in whole]

    async def stream(self, statement, counted_for, silence_s, *, gzip) -> AsyncGenerator[bytes]:
        self.asked.append(statement)
        yield gzip_module.compress(b"event_id\n") if gzip else b"event_id\n"

    async def close(self):
        pass


class FakeTokens:
    """A token is the names of the organizations that its bearer administers, by commas."""

    async def verify(self, token, now):
        if not token:
            raise unauthenticated("no token")
        return Administrator("alice", tuple(token.split(",")))


def fake_parts(database: FakeDatabase) -> Parts:
    """Parts whose events go to the ``orgtrail.testing.Recorder`` at hand."""
    return Parts(
        settings=SETTINGS,
        logs=Logs([Shard(database, database)], Bounds()),
        provider=OidcProvider(SETTINGS),
        tokens=FakeTokens(),
        cursors=Cursors("s" * 32),
        self_audit=SelfAudit(AuditProducer(ProducerSettings(service="orgtrail")), required=True),
        now=lambda: NOW,
    )
