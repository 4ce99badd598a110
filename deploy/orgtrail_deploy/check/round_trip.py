"""An event that ``orgtrail check`` sends to Kafka, and looks for in ClickHouse."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime

from orgtrail_deploy.check.findings import Finding, failed, ok, unknown
from orgtrail_deploy.check.in_clickhouse import judge_clock
from orgtrail_deploy.operator_identity import operator

CHECKED = "org.audit-log.checked"

Stored = Callable[[str, str], datetime | None]
"""When Kafka received an event of an organization, by its ID; ``None`` while it is not stored."""


def round_trip(operator_org: str, stored: Stored | None, within_s: int) -> Iterator[Finding]:
    """Send one event of the operator's organization, and wait until it can be read.

    It may take so many seconds, and half of them until Kafka has it. ``stored`` is ``None`` if
    ClickHouse does not answer.
    """
    from orgtrail import AuditProducer, ProducerSettings, Target
    from orgtrail.errors import AuditError, UndeliveredError

    question = "an event sent"
    log = logging.getLogger("orgtrail")
    level = log.level
    # The finding says what the SDK logs for services.
    log.setLevel(logging.CRITICAL)
    began, clock = time.monotonic(), datetime.now(UTC)
    try:
        # In memory: an event that cannot be delivered now is not to arrive later.
        audit = AuditProducer(ProducerSettings.load(service="orgtrail", spool="memory"))
        event_id = audit.emit(
            CHECKED,
            org_id=operator_org,
            actor=operator(),
            targets=[Target(type="organization", id=operator_org)],
        )
        waiting = audit.flush(within_s / 2)
        trouble = audit.trouble
        with suppress(UndeliveredError):
            audit.close(0)
    except AuditError as error:
        yield failed(question, str(error).splitlines()[0], "compare the settings with Kafka's")
        return
    finally:
        log.setLevel(level)
    acknowledged, after = time.monotonic(), datetime.now(UTC)
    if waiting:
        seen = f"Kafka did not take it within {within_s / 2:g} s: {trouble}"
        yield failed(question, seen, "see the questions about Kafka above")
        return
    yield ok(question, f"acknowledged after {(acknowledged - began) * 1000:.0f} ms")
    if stored is None:
        yield unknown("and read back", "ClickHouse does not answer")
        return
    while (received_at := stored(operator_org, event_id)) is None:
        if time.monotonic() - acknowledged > within_s:
            yield failed(
                "and read back",
                f"not stored {within_s} s later",
                "look at the consumers' log, and at orgtrail dlq list",
            )
            return
        time.sleep(0.05)
    yield ok("and read back", f"{(time.monotonic() - acknowledged) * 1000:.0f} ms later")
    yield judge_clock("clock of Kafka", received_at, (clock, after))
