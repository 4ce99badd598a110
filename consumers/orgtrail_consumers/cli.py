"""``orgtrail consume``: run a consumer."""

from __future__ import annotations

import sys

from orgtrail_consumers.settings import ConsumerSettings, read_settings


def consume() -> int:
    """Run one worker, which consumes, enriches and stores events until it is stopped.

    Reads the ORGTRAIL_ settings (docs/settings.md). Run several workers to share the partitions.
    """
    from orgtrail_consumers.kafka.topic import TopicError, validate_topic

    settings = read_settings("consume")
    if settings is None:
        return 1
    try:
        return _run(settings, validate_topic(settings))
    except (TopicError, OSError, ValueError) as error:
        print(f"orgtrail consume: {error}", file=sys.stderr)
        return 1


def _run(settings: ConsumerSettings, idle_margin_ms: int) -> int:
    from orgtrail_consumers.app import make_app
    from orgtrail_consumers.process import Worker, prepare_process

    prepare_process()
    app = make_app(settings, idle_margin_ms)
    worker = Worker(app)
    try:
        worker.execute_from_commandline()
    except SystemExit as ended:
        return int(ended.code or 0)
    return 0
