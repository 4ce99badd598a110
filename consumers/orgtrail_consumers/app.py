"""The Faust application. It only wires the steps together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

import faust
import structlog
from faust.sensors.prometheus import setup_prometheus_sensors
from faust.streams import Stream
from faust.types import StreamT
from faust.web import Request, Response, View
from yarl import URL

from orgtrail_consumers import metrics
from orgtrail_consumers.crashes import Crashes
from orgtrail_consumers.dead_letters.breaker import Breaker
from orgtrail_consumers.dead_letters.producer import DeadLetterProducer, DeadLetterSink
from orgtrail_consumers.errors import StaleBatchError, describe
from orgtrail_consumers.health import Health
from orgtrail_consumers.kafka.batch import BatchLimits
from orgtrail_consumers.kafka.credentials import credentials
from orgtrail_consumers.kafka.patches import patch_reading
from orgtrail_consumers.kafka.refetch import Refetch, refetch
from orgtrail_consumers.kafka.transport import BatchConsumer, BatchTransport, delivery_of
from orgtrail_consumers.pipeline import Pipeline, wall_clock_ms
from orgtrail_consumers.settings import ConsumerSettings
from orgtrail_consumers.steps.decode import FindSchema
from orgtrail_consumers.steps.enrich import Resolvers
from orgtrail_consumers.steps.lookups.country import countries
from orgtrail_consumers.steps.lookups.user_agent import client
from orgtrail_consumers.steps.people import PersonCache
from orgtrail_consumers.steps.registry import schema_finder
from orgtrail_consumers.storage.reporter import Reporter
from orgtrail_consumers.storage.shards import EveryShard, Storage
from orgtrail_consumers.storage.writer import Inserter, Writer
from orgtrail_consumers.traces import TraceBatch, trace_batches, tracer

log = structlog.get_logger("orgtrail.consumer")

IN_FLIGHT = 2
"""Number of batches in progress at once: while one is inserted, the next is decoded."""


@dataclass(frozen=True)
class Parts:
    """The dependencies of the application besides Kafka. Tests pass their own."""

    find_schema: FindSchema
    resolvers: Resolvers
    writers: Sequence[Inserter]
    """One for each shard of ClickHouse, in their order."""
    dead_letters: DeadLetterSink
    refetch: Refetch
    trace: TraceBatch
    now_ms: Callable[[], int] = wall_clock_ms


def real_parts(settings: ConsumerSettings) -> Parts:
    """The production parts, which connect to the servers named in the settings.

    Raises:
        OSError, ValueError: a schema file or the country file cannot be read.
    """
    return Parts(
        find_schema=schema_finder(settings),
        resolvers=Resolvers(countries(settings.country_file), client),
        writers=[
            Writer(
                server,
                settings.clickhouse_writer_user,
                settings.clickhouse_writer_password,
                settings.clickhouse_insert_quorum,
            )
            for server in settings.clickhouse.servers()
        ],
        dead_letters=DeadLetterProducer(settings),
        refetch=partial(refetch, settings),
        trace=trace_batches(tracer()),
    )


def make_app(
    settings: ConsumerSettings, idle_margin_ms: int, parts: Parts | None = None
) -> faust.App:
    """Create the application of one worker process.

    ``idle_margin_ms`` comes from ``validate_topic``. ``parts`` defaults to ``real_parts``.
    """
    parts = parts or real_parts(settings)
    app = _new_app(settings)
    executor = ThreadPoolExecutor(IN_FLIGHT + 1, "pipeline")
    health = Health()
    pipeline = Pipeline(
        find_schema=parts.find_schema,
        resolvers=parts.resolvers,
        storage=Storage(parts.writers),
        dead_letters=parts.dead_letters,
        refetch=parts.refetch,
        person_cache=PersonCache(),
        crashes=Crashes(settings.data_dir / "in-progress"),
        executor=executor,
        health=health,
        breaker=Breaker(settings.breaker_percent, settings.breaker_records),
        trace=parts.trace,
        now_ms=parts.now_ms,
        reject_key_mismatches=settings.key_mismatches == "reject",
        skipped=settings.skipped,
    )
    reporter = Reporter(
        settings, idle_margin_ms, EveryShard(parts.writers), health, executor, parts.now_ms
    )
    _wire_agent(app, settings.topic, pipeline)
    _wire_timers(app, settings, reporter)
    _wire_group(app, settings.consumer_group, health)
    _wire_web(app, health)
    return app


def _wire_agent(app: faust.App, topic: str, pipeline: Pipeline) -> None:
    channel = app.topic(topic, key_serializer="raw", value_serializer="raw")

    @app.agent(channel, concurrency=IN_FLIGHT)
    async def store(stream: StreamT[Any]) -> None:
        async for event in cast("Stream[Any]", stream).noack().events():
            message, consumer = event.message, cast("BatchConsumer", app.consumer)
            try:
                delivery, is_current = delivery_of(message), partial(consumer.is_current, message)
                await pipeline.store(delivery, is_current)
            except StaleBatchError:
                metrics.STALE.inc()
                log.info("stale_batch_dropped", partition=message.partition)
                continue
            except Exception as error:
                # A bug, or too many bad records. The batch is not acknowledged, so it is not lost.
                log.error("consumer_stopping", error=describe(error), partition=message.partition)
                await app.crash(error)
                raise
            consumer.mark_stored(message)
            event.ack()


def _wire_timers(app: faust.App, settings: ConsumerSettings, reporter: Reporter) -> None:
    @app.timer(interval=min(1.0, settings.max_poll_interval_s / 4))
    async def stay_in_group() -> None:
        await cast("BatchConsumer", app.consumer).stay_in_group()

    @app.timer(interval=1.0)
    async def report_progress() -> None:
        await reporter.report(cast("BatchConsumer", app.consumer))

    @app.on_partitions_revoked.connect
    async def forget_progress(*_args: Any, **_kwargs: Any) -> None:
        reporter.forget()


def _wire_group(app: faust.App, group: str, health: Health) -> None:
    """A worker that has not joined its group is not ready, with partitions or without."""
    health.failed("group", f"has not joined '{group}' yet")

    @app.on_partitions_assigned.connect
    async def joined(*_args: Any, **_kwargs: Any) -> None:
        health.succeeded("group")


def _wire_web(app: faust.App, health: Health) -> None:
    # Serves both Faust's metrics and our own at /metrics.
    setup_prometheus_sensors(app, pattern="/metrics")

    @app.page("/livez")
    async def livez(web: View, _request: Request) -> Response:
        return web.text("ok\n")

    @app.page("/readyz")
    async def readyz(web: View, _request: Request) -> Response:
        reasons = health.reasons
        return web.text("\n".join(reasons or ["ok"]) + "\n", status=503 if reasons else 200)


def _new_app(settings: ConsumerSettings) -> faust.App:
    brokers = [URL(f"kafka://{address}") for address in settings.kafka_brokers.split(",")]
    patch_reading()
    app = faust.App(
        settings.consumer_group,
        broker=brokers,
        broker_credentials=credentials(settings),
        datadir=str(settings.data_dir),
        consumer_auto_offset_reset="earliest",
        topic_allow_declare=False,
        topic_disable_leader=True,
        # A ClickHouse outage must not delay a rebalance. Batches that are not stored yet are
        # dropped, and the partition's next owner fetches them again.
        stream_wait_empty=False,
        stream_buffer_maxsize=IN_FLIGHT,
        # One fetch response should fill a batch: many small inserts cost ClickHouse twice as much.
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
    app.transport = BatchTransport(
        brokers,
        app,
        BatchLimits(settings.batch_records, settings.batch_kilobytes * 1024),
        accept_lost_ranges=settings.lost_ranges == "accept",
    )
    return app
