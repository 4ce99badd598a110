"""The Faust application: it wires the steps, and nothing more."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, cast

import faust
import structlog
from faust.sensors.prometheus import setup_prometheus_sensors
from faust.types import StreamT
from faust.web import Request, Response, View
from yarl import URL

from orgtrail_consumers import metrics
from orgtrail_consumers.breaker import Breaker
from orgtrail_consumers.clickhouse import Writer
from orgtrail_consumers.country import countries
from orgtrail_consumers.dead_letter import DeadLetters
from orgtrail_consumers.enrich import Resolvers
from orgtrail_consumers.failure import describe
from orgtrail_consumers.header_names import take_any_header_name
from orgtrail_consumers.health import Health
from orgtrail_consumers.people import Seen
from orgtrail_consumers.pipeline import Pipeline, StaleBatchError, wall_clock_ms
from orgtrail_consumers.registry import schema_finder
from orgtrail_consumers.reporter import Reporter
from orgtrail_consumers.settings import ConsumerSettings
from orgtrail_consumers.traces import trace_batches, tracer
from orgtrail_consumers.transport import BatchConsumer, BatchTransport
from orgtrail_consumers.user_agent import client

log = structlog.get_logger("orgtrail.consumer")

IN_FLIGHT = 2
"""Batches under way at once: while one is inserted, the next is decoded."""


def make_app(settings: ConsumerSettings, idle_margin_ms: int) -> faust.App:
    """The application for one worker process; ``idle_margin_ms`` is what ``check_topic`` said."""
    app = _new_app(settings)
    executor = ThreadPoolExecutor(IN_FLIGHT + 1, "pipeline")
    writer = Writer(settings)
    health = Health()
    pipeline = Pipeline(
        find_schema=schema_finder(settings),
        resolvers=Resolvers(countries(settings.country_file), client),
        writer=writer,
        dead_letters=DeadLetters(settings),
        seen=Seen(),
        executor=executor,
        health=health,
        breaker=Breaker(settings.breaker_percent, settings.breaker_records),
        trace=trace_batches(tracer()),
        now_ms=wall_clock_ms,
    )
    topic = app.topic(settings.topic, key_serializer="raw", value_serializer="raw")

    def consumer() -> BatchConsumer:
        return cast("BatchConsumer", app.consumer)

    @app.agent(topic, concurrency=IN_FLIGHT)
    async def store(stream: StreamT[Any]) -> None:
        async for event in stream.noack().events():
            message = event.message
            try:
                await pipeline.store(message.value, partial(consumer().current, message))
            except StaleBatchError:
                metrics.STALE.inc()
                log.info("stale_batch_dropped", partition=message.partition)
                continue
            except Exception as error:
                # A defect, or too much garbage: nothing is acknowledged, so nothing is lost.
                log.error("consumer_stops", error=describe(error), partition=message.partition)
                await app.crash(error)
                raise
            consumer().stored(message)
            event.ack()

    @app.timer(interval=min(1.0, settings.max_poll_interval_s / 4))
    async def stay_in_group() -> None:
        await consumer().stay_in_group()

    reporter = Reporter(settings, idle_margin_ms, writer, health, executor)

    @app.timer(interval=1.0)
    async def report_progress() -> None:
        await reporter.report(consumer())

    @app.page("/livez")
    async def livez(web: View, _request: Request) -> Response:
        return web.text("ok\n")

    @app.page("/readyz")
    async def readyz(web: View, _request: Request) -> Response:
        reasons = health.reasons
        return web.text("\n".join(reasons or ["ok"]) + "\n", status=503 if reasons else 200)

    @app.on_partitions_revoked.connect
    async def forget_progress(*_args: Any, **_kwargs: Any) -> None:
        reporter.forget()

    return app


def _new_app(settings: ConsumerSettings) -> faust.App:
    BatchConsumer.max_records = settings.batch_records
    BatchConsumer.max_bytes = settings.batch_kilobytes * 1024
    BatchConsumer.accept_lost_ranges = settings.lost_ranges == "accept"
    brokers = [URL(f"kafka://{address}") for address in settings.kafka_brokers.split(",")]
    take_any_header_name()
    app = faust.App(
        settings.consumer_group,
        broker=brokers,
        broker_credentials=_credentials(settings),
        datadir=str(settings.data_dir),
        consumer_auto_offset_reset="earliest",
        topic_allow_declare=False,
        topic_disable_leader=True,
        # An outage of ClickHouse must not hold a rebalance: what is not stored is dropped, and
        # fetched again by its next owner.
        stream_wait_empty=False,
        stream_buffer_maxsize=IN_FLIGHT,
        # One answer to a fetch should fill a batch: many small inserts cost ClickHouse twice.
        consumer_max_fetch_size=settings.fetch_kilobytes * 1024,
        broker_commit_interval=0.5,
        broker_session_timeout=settings.session_timeout_s,
        broker_heartbeat_interval=settings.session_timeout_s / 3,
        broker_max_poll_interval=settings.max_poll_interval_s,
        web_bind=settings.web_host,
        web_host=settings.web_host,
        web_port=settings.web_port,
        store="memory://",
    )
    app.transport = BatchTransport(brokers, app)
    # Faust's own metrics and ours, both at /metrics.
    setup_prometheus_sensors(app, pattern="/metrics")
    return app


def _credentials(settings: ConsumerSettings) -> Any:
    import ssl

    protocol = settings.kafka_security_protocol
    if protocol == "PLAINTEXT":
        return None
    context = (
        ssl.create_default_context(cafile=settings.kafka_ca_file) if "SSL" in protocol else None
    )
    if protocol == "SSL":
        return faust.SSLCredentials(context)
    password = settings.kafka_sasl_password
    return faust.SASLCredentials(
        username=settings.kafka_sasl_username,
        password=None if password is None else password.get_secret_value(),
        mechanism=settings.kafka_sasl_mechanism,
        ssl_context=context,
    )
