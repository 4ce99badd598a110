"""Exports whose client goes away; on servers where a test may ask what ClickHouse is working on."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import httpx
from tests.support.admin import admin_client
from tests.support.rows import LARGEST, fill
from tests.support.running import eventually
from tests.support.service import service_over

from orgtrail_deploy.local.issuer import make_token


def test_who_goes_away_frees_clickhouse(arena, tmp_path):
    def under_way():
        sql = "SELECT count() FROM system.processes WHERE user = 'audit_export'"
        return arena.query(sql)[0][0]

    now = datetime.now(UTC)
    with admin_client(arena.http_port) as client:
        fill(client, 600_000, now)
    with service_over(arena, tmp_path, record_exports="attempted") as service:
        token = make_token(arena.root, [LARGEST], now, lasts=timedelta(hours=1))
        url = f"{service.url}/v1/orgs/{LARGEST}/events/export.csv"
        headers = {"Authorization": f"Bearer {token}", "Accept-Encoding": "identity"}
        with httpx.stream("GET", url, headers=headers, timeout=60) as answer:
            next(answer.iter_raw(65_536))
            assert under_way() == 1
        eventually(lambda: under_way() == 0, 10)
