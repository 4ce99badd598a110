"""The transport's consumer, with a fake in place of the thread that runs Kafka's client."""

from types import SimpleNamespace

import faust
import pytest
from faust.types import TP
from yarl import URL

from orgtrail_consumers.kafka.batch import BatchLimits
from orgtrail_consumers.kafka.transport import BatchConsumer, BatchTransport

TOPIC = "audit.events.v1"
LIMITS = BatchLimits(1000, 1_000_000)


class FakeThread:
    """Answers as Kafka would; ``calls`` is what the consumer asked for, in order."""

    def __init__(self):
        self.last_polled = {}
        self.start, self.committed, self.calls = {}, {}, []
        self.error = None
        self.assigned = {TP(TOPIC, 0), TP(TOPIC, 1)}

    def assignment(self):
        return self.assigned

    def highwater(self, tp):
        return 1000

    async def earliest_offsets(self, *partitions):
        self.calls.append("earliest_offsets")
        if self.error:
            raise self.error
        return {tp: self.start.get(tp, 0) for tp in partitions}

    async def seek_to_committed(self):
        self.calls.append("seek")
        if self.error:
            raise self.error
        return dict(self.committed)

    async def commit(self, offsets):
        self.calls.append("commit")
        self.committed.update(offsets)
        return True


@pytest.fixture
def make_consumer():
    """A consumer of two assigned partitions: what it hands on is in ``handed``."""

    def make(accept_lost_ranges=False, limits=LIMITS):
        app = faust.App("test", broker="kafka://", store="memory://")
        crashes, handed = [], []

        async def crash(error):
            crashes.append(error)

        async def hand_on(message):
            handed.append(message)

        async def nothing(*_args, **_kwargs):
            pass

        app.crash = crash
        app.producer = SimpleNamespace(flush=nothing)
        transport = BatchTransport(
            [URL("kafka://")], app, limits, accept_lost_ranges=accept_lost_ranges
        )
        made = BatchConsumer(
            transport,
            hand_on,
            on_partitions_revoked=nothing,
            on_partitions_assigned=nothing,
        )
        made._thread = FakeThread()
        made.handed, made.crashes = handed, crashes
        made._set_active_tps(made.assignment())
        return made

    return make


@pytest.fixture
async def consumer(make_consumer):
    return make_consumer()
