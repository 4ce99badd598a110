"""``orgtrail consume`` and ``orgtrail dlq``."""

from __future__ import annotations

import sys

from cyclopts import App
from pydantic import ValidationError

from orgtrail_consumers.settings import ConsumerSettings

dlq = App(name="dlq", help="Look into the dead letters.")


def consume() -> int:
    """Run one worker: consume, enrich, store, until it is stopped.

    Connects as the ORGTRAIL_ settings say. Run several: they share the partitions.
    """
    from orgtrail_consumers.topic_check import TopicError, check_topic

    settings = _settings("consume")
    if settings is None:
        return 1
    try:
        check_topic(settings)
        return _run(settings)
    except (TopicError, OSError, ValueError) as error:
        print(f"orgtrail consume: {error}", file=sys.stderr)
        return 1


def _run(settings: ConsumerSettings) -> int:
    from faust import Worker

    from orgtrail_consumers.app import make_app
    from orgtrail_consumers.logs import configure_logs

    configure_logs()
    app = make_app(settings)
    worker = Worker(app, loglevel="warning", redirect_stdouts=False, quiet=True)
    try:
        worker.execute_from_commandline()
    except SystemExit as ended:
        return int(ended.code or 0)
    return 0


@dlq.command(name="list")
def list_dead_letters(*, reason: str | None = None, limit: int = 1000) -> int:
    """List the dead letters: when, why, where the record was, whose it is, and its size.

    REASON keeps those of one reason; LIMIT bounds the lines.
    """
    from confluent_kafka import KafkaException

    from orgtrail_consumers.dead_letter_reader import read_dead_letters
    from orgtrail_schemas.reasons import REASONS

    settings = _settings("dlq list")
    if settings is None:
        return 1
    if reason is not None and reason not in REASONS:
        print(f"orgtrail dlq list: reason is one of {', '.join(REASONS)}", file=sys.stderr)
        return 1
    shown = 0
    print("set_aside_at\treason\tsource\tkey\tbytes\tdetail")
    try:
        for letter in read_dead_letters(settings):
            if reason is None or letter.reason == reason:
                if shown == limit:
                    print(f"there are more than {limit}; raise --limit", file=sys.stderr)
                    break
                shown += 1
                when = letter.set_aside_at.isoformat(timespec="milliseconds")
                print(
                    f"{when}\t{letter.reason}\t{letter.source}\t{letter.key!r}\t{letter.size}"
                    f"\t{letter.detail}"
                )
    except KafkaException as error:
        print(f"orgtrail dlq list: {error.args[0].str()}", file=sys.stderr)
        return 1
    print(f"{shown} dead letters", file=sys.stderr)
    return 0


def _settings(command: str) -> ConsumerSettings | None:
    try:
        return ConsumerSettings()
    except ValidationError as error:
        first = error.errors()[0]
        name = "_".join(str(part) for part in first["loc"]).upper()
        print(f"orgtrail {command}: ORGTRAIL_{name}: {first['msg']}", file=sys.stderr)
        return None
