"""``orgtrail consume`` and ``orgtrail dlq``."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from cyclopts import App
from pydantic import ValidationError

from orgtrail_consumers.settings import ConsumerSettings

if TYPE_CHECKING:
    from orgtrail_consumers.dead_letter_reader import DeadLetter

dlq = App(name="dlq", help="Look into the dead letters, and send them again.")


def consume() -> int:
    """Run one worker: consume, enrich, store, until it is stopped.

    Connects as the ORGTRAIL_ settings say. Run several: they share the partitions.
    """
    from orgtrail_consumers.topic_check import TopicError, check_topic

    settings = _settings("consume")
    if settings is None:
        return 1
    try:
        return _run(settings, check_topic(settings))
    except (TopicError, OSError, ValueError) as error:
        print(f"orgtrail consume: {error}", file=sys.stderr)
        return 1


def _run(settings: ConsumerSettings, idle_margin_ms: int) -> int:
    from orgtrail_consumers.app import make_app
    from orgtrail_consumers.logs import configure_logs
    from orgtrail_consumers.memory import tune_memory
    from orgtrail_consumers.worker import Worker

    configure_logs()
    tune_memory()
    app = make_app(settings, idle_margin_ms)
    worker = Worker(app, loglevel="warning", redirect_stdouts=False, quiet=True)
    try:
        worker.execute_from_commandline()
    except SystemExit as ended:
        return int(ended.code or 0)
    return 0


@dlq.command(name="list")
def list_dead_letters(
    *,
    reason: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    limit: int = 1000,
) -> int:
    """List the dead letters: where each lies, when and why it was set aside, whose it is.

    REASON, SINCE and UNTIL (times of setting aside; UTC unless they say otherwise) narrow it; LIMIT
    bounds the lines.
    """

    def show(letters: Iterator[DeadLetter], _settings: ConsumerSettings) -> None:
        print("place\tset_aside_at\treason\tsource\tkey\tbytes\tdetail")
        shown = 0
        for letter in letters:
            if shown == limit:
                print(f"there are more than {limit}; raise --limit", file=sys.stderr)
                break
            shown += 1
            when = letter.set_aside_at.isoformat(timespec="milliseconds")
            key = (letter.key or b"").decode("utf-8", errors="replace")
            print(
                f"{letter.place}\t{when}\t{letter.reason}\t{letter.source}\t{key!r}"
                f"\t{len(letter.value or b'')}\t{letter.detail}"
            )
        print(f"{shown} dead letters", file=sys.stderr)

    return _with_letters("dlq list", show, reason, since, until)


@dlq.command(name="show")
def show_dead_letter(place: str) -> int:
    """Show one dead letter whole: its headers, and its bytes in hexadecimal.

    PLACE is PARTITION/OFFSET or local/NAME, the first column of the list. What it shows may hold
    personal data.
    """

    def show(letters: Iterator[DeadLetter], _settings: ConsumerSettings) -> None:
        found = next((letter for letter in letters if letter.place == place), None)
        if found is None:
            raise ValueError(f"there is no dead letter at {place}")
        print(f"reason\t{found.reason}\ndetail\t{found.detail}\nsource\t{found.source}")
        print(f"key\t{found.key!r}")
        for name, value in found.headers:
            print(f"header\t{name}\t{value!r}")
        print(f"value\t{(found.value or b'').hex()}")

    return _with_letters("dlq show", show)


@dlq.command(name="replay")
def replay_dead_letters(
    *,
    reason: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    dry_run: bool = False,
) -> int:
    """Send dead letters to the topic again, for example after the consumer learned their schema.

    REASON, SINCE and UNTIL (times of setting aside) choose them; with --dry-run they are counted.
    """
    from orgtrail_consumers.dead_letter_replay import replay

    def show(letters: Iterator[DeadLetter], settings: ConsumerSettings) -> None:
        if dry_run:
            print(f"{sum(1 for _ in letters)} dead letters would be sent again")
            return
        count = replay(settings, letters, lambda sent: print(f"{sent} sent", file=sys.stderr))
        print(f"{count} dead letters sent again")

    return _with_letters("dlq replay", show, reason, since, until)


def _with_letters(
    command: str,
    act: Callable[[Iterator[DeadLetter], ConsumerSettings], None],
    reason: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> int:
    from confluent_kafka import KafkaException

    from orgtrail_consumers.dead_letter_reader import read_dead_letters
    from orgtrail_schemas.reasons import REASONS

    settings = _settings(command)
    if settings is None:
        return 1
    if reason is not None and reason not in REASONS:
        print(f"orgtrail {command}: reason is one of {', '.join(REASONS)}", file=sys.stderr)
        return 1
    first, last = _utc(since), _utc(until)
    chosen = (
        letter
        for letter in read_dead_letters(settings)
        if (reason is None or letter.reason == reason)
        and (first is None or letter.set_aside_at >= first)
        and (last is None or letter.set_aside_at < last)
    )
    try:
        act(chosen, settings)
    except KafkaException as error:
        print(f"orgtrail {command}: {error.args[0].str()}", file=sys.stderr)
        return 1
    except (OSError, ValueError) as error:
        print(f"orgtrail {command}: {error}", file=sys.stderr)
        return 1
    return 0


def _utc(moment: datetime | None) -> datetime | None:
    return moment.replace(tzinfo=UTC) if moment and moment.tzinfo is None else moment


def _settings(command: str) -> ConsumerSettings | None:
    try:
        return ConsumerSettings()
    except ValidationError as error:
        first = error.errors()[0]
        name = "_".join(str(part) for part in first["loc"]).upper()
        print(f"orgtrail {command}: ORGTRAIL_{name}: {first['msg']}", file=sys.stderr)
        return None
