"""Ports on loopback: one that is in use is named with the setting that changes it."""

import errno
import socket
from types import SimpleNamespace

import pytest

from orgtrail_deploy.errors import StackError
from orgtrail_deploy.local import ports
from orgtrail_deploy.local.ports import LOOPBACK, free_ports, require_free


@pytest.fixture
def taken(monkeypatch):
    """Ports that cannot be bound; the sockets of a unit test are fakes."""
    used = set()

    class Socket:
        def __enter__(self):
            return self

        def __exit__(self, *_error):
            return None

        def setsockopt(self, *_option):
            return None

        def bind(self, address):
            assert address[0] == LOOPBACK
            if address[1] in used:
                raise OSError(errno.EADDRINUSE, "in use")

    fake = SimpleNamespace(
        socket=Socket, SOL_SOCKET=socket.SOL_SOCKET, SO_REUSEADDR=socket.SO_REUSEADDR
    )
    monkeypatch.setattr(ports, "socket", fake)
    return used


def test_a_free_port_is_returned(taken):
    assert require_free(9092, "Kafka", "ORGTRAIL_UP_KAFKA_PORT") == 9092


def test_a_port_in_use_is_named_with_its_setting(taken):
    taken.add(9092)
    with pytest.raises(
        StackError, match=r"^[^\n]*9092[^\n]*Kafka[^\n]*ORGTRAIL_UP_KAFKA_PORT[^\n]*$"
    ):
        require_free(9092, "Kafka", "ORGTRAIL_UP_KAFKA_PORT")


@pytest.mark.parametrize("count", [1, 6, 150])
def test_free_ports_are_distinct_and_below_the_ephemeral_range(taken, count):
    found = free_ports(count)
    assert len(found) == len(set(found)) == count
    assert all(1024 < port < 32_768 for port in found)


def test_ports_in_use_are_left_out(taken):
    taken |= set(range(10_000, 32_000, 2))
    found = free_ports(20)
    assert len(found) == 20
    assert not taken & set(found)


def test_a_machine_without_free_ports_is_an_error(taken):
    taken |= set(range(65_536))
    with pytest.raises(StackError, match=r"^[^\n]*6 free ports[^\n]*$"):
        free_ports(6)
