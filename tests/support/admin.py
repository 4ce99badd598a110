"""A ClickHouse user who may do anything, for tests and benchmarks on servers of their own."""

from __future__ import annotations

from xml.etree import ElementTree

import clickhouse_connect
from clickhouse_connect.driver.client import Client

from orgtrail_deploy.local.ports import LOOPBACK

ADMIN = "bench"
"""The user's name and password."""


def admin_client(http_port: int) -> Client:
    return clickhouse_connect.get_client(
        host=LOOPBACK,
        port=http_port,
        username=ADMIN,
        password=ADMIN,
        autogenerate_session_id=False,
        # Merging all partitions is one command.
        send_receive_timeout=3600,
    )


def with_admin(users: str) -> str:
    root = ElementTree.fromstring(users)
    user = ElementTree.SubElement(root.find("users"), ADMIN)
    ElementTree.SubElement(user, "password").text = ADMIN
    networks = ElementTree.SubElement(user, "networks")
    ElementTree.SubElement(networks, "ip").text = LOOPBACK
    ElementTree.SubElement(user, "profile").text = "default"
    ElementTree.SubElement(user, "quota").text = "default"
    grants = ElementTree.SubElement(user, "grants")
    ElementTree.SubElement(grants, "query").text = "GRANT ALL ON *.* WITH GRANT OPTION"
    return ElementTree.tostring(root, encoding="unicode")
