import faust
import pytest
from tests.support.batches import NOW_MS, RESOLVERS, find_current

from orgtrail_consumers.app import Parts, make_app
from orgtrail_consumers.kafka.batch import BatchLimits
from orgtrail_consumers.kafka.transport import BatchTransport
from orgtrail_consumers.settings import ConsumerSettings
from orgtrail_consumers.traces import trace_batches


# Faust registers its metrics once for each process.
@pytest.fixture(scope="module")
def app(tmp_path_factory):
    settings = ConsumerSettings(
        kafka_brokers="a:1,b:2", batch_records=7, batch_kilobytes=3, lost_ranges="accept",
        data_dir=tmp_path_factory.mktemp("data"),
    )  # fmt: skip
    parts = Parts(
        find_schema=find_current,
        resolvers=RESOLVERS,
        writers=[None],
        dead_letters=None,
        refetch=None,
        trace=trace_batches(None),
        now_ms=lambda: NOW_MS,
    )
    return make_app(settings, 5_000, parts)


def test_it_is_a_faust_application_with_our_transport(app):
    assert isinstance(app, faust.App)
    assert isinstance(app.transport, BatchTransport)
    assert [str(url) for url in app.conf.broker] == ["kafka://a:1", "kafka://b:2"]


def test_the_settings_reach_the_transport(app):
    assert app.transport.limits == BatchLimits(7, 3 * 1024)
    assert app.transport.accept_lost_ranges


def test_one_agent_stores_the_topic(app):
    (agent,) = app.agents.values()
    assert agent.concurrency == 2
    assert list(agent.channel.topics) == ["audit.events.v1"]
