"""What the local stack's servers take of the machine."""

import resource

import psutil

from orgtrail_deploy.local.clickhouse import ClickHouse, ClickHouseNode
from orgtrail_deploy.local.ports import free_ports
from orgtrail_deploy.local.secrets import ANALYSTS, load_secrets
from orgtrail_schemas.access import users_xml


def test_clickhouse_may_open_more_files_than_a_shell_is_given(tmp_path):
    http, tcp = free_ports(2)
    node = ClickHouseNode(folder=tmp_path / "clickhouse", http_port=http, tcp_port=tcp)
    soft, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (1024, most))
    try:
        server = ClickHouse(node, users_xml(load_secrets(tmp_path).passwords, ANALYSTS))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, most))
    try:
        server.wait_ready()
        found = psutil.Process(server.child.pid).rlimit(resource.RLIMIT_NOFILE)
        assert found == (most, most)
    finally:
        server.stop()
