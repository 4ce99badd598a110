"""A mock broker in another process, and producers that use it."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from contextlib import suppress

import pytest
from tests.support.mock_broker import MockBroker

from orgtrail import Actor, AuditError, AuditProducer, ProducerSettings

ALICE = Actor(id="u-1", email="alice@acme.example")
NOWHERE = "127.0.0.1:1"


def emit(producer, org="acme", **more):
    return producer.emit("user.login", org_id=org, actor=ALICE, **more)


def child(code, *arguments):
    """Run a program that emits; ``P`` makes a producer and ``E`` emits."""
    program = textwrap.dedent(
        """
        import os, signal, sys, threading, time
        from orgtrail import *
        brokers, spool, *more = sys.argv[1:]
        def P(**k):
            return AuditProducer(ProducerSettings.load(kafka_brokers=brokers, spool_dir=spool, **k))
        def E(a, **k):
            return a.emit("user.login", org_id="acme", actor=Actor(id="u-1"), **k)
        def say(*words):
            os.write(1, (" ".join(map(str, words)) + "\\n").encode())
        """
    ) + textwrap.dedent(code)
    return subprocess.Popen(
        [sys.executable, "-c", program, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.fixture
def broker():
    made = MockBroker()
    yield made
    made.close()


@pytest.fixture
def make(tmp_path):
    """Make producers over one spool; all of them are closed at the end."""
    made = []

    def make(brokers=NOWHERE, *, on_delivery=None, before_send=None, **settings):
        given = {"kafka_brokers": brokers, "spool_dir": tmp_path / "spool"} | settings
        producer = AuditProducer(
            ProducerSettings.load(**given), on_delivery=on_delivery, before_send=before_send
        )
        made.append(producer)
        return producer

    yield make
    for producer in made:
        with suppress(AuditError):
            producer.close(0.2)
