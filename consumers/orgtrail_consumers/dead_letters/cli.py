"""``orgtrail dlq``: list, show and replay dead letters."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from cyclopts import App

from orgtrail_consumers.settings import ConsumerSettings, read_settings

if TYPE_CHECKING:
    from orgtrail_consumers.dead_letters.reader import DeadLetter

dlq = App(name="dlq", help="Inspect and replay dead letters.")


@dlq.command(name="list")
def list_dead_letters(
    *,
    reason: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    limit: int = 1000,
) -> int:
    """List dead letters, one per line: location, time, reason, source, key, size and detail.

    REASON, SINCE and UNTIL filter the list. SINCE and UNTIL are compared with the time of
    dead-lettering; they are in UTC unless they have an offset. LIMIT is the maximum number of
    lines.
    """

    def show(letters: Iterator[DeadLetter], _settings: ConsumerSettings) -> None:
        print("location\tset_aside_at\treason\tsource\tkey\tbytes\tdetail")
        shown = 0
        for letter in letters:
            if shown == limit:
                print(f"more than {limit} dead letters; raise --limit to see all", file=sys.stderr)
                break
            shown += 1
            when = letter.set_aside_at.isoformat(timespec="milliseconds")
            key = (letter.key or b"").decode("utf-8", errors="replace")
            print(
                f"{letter.location}\t{when}\t{letter.reason}\t{letter.source}\t{key!r}"
                f"\t{len(letter.value or b'')}\t{letter.detail}"
            )
        print(f"{shown} dead letters", file=sys.stderr)

    return _with_letters("dlq list", show, reason, since, until)


@dlq.command(name="show")
def show_dead_letter(location: str) -> int:
    """Show one dead letter: its headers, and its value in hexadecimal.

    LOCATION is PARTITION/OFFSET or local/NAME, as in the first column of orgtrail dlq list. The
    output may contain personal data.
    """

    def show(letters: Iterator[DeadLetter], _settings: ConsumerSettings) -> None:
        letter = next((item for item in letters if item.location == location), None)
        if letter is None:
            raise ValueError(f"no dead letter at {location}: run orgtrail dlq list to find it")
        print(f"reason\t{letter.reason}\ndetail\t{letter.detail}\nsource\t{letter.source}")
        print(f"key\t{letter.key!r}")
        for name, value in letter.headers:
            print(f"header\t{name}\t{value!r}")
        print(f"value\t{(letter.value or b'').hex()}")

    return _with_letters("dlq show", show)


@dlq.command(name="replay")
def replay_dead_letters(
    *,
    reason: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    dry_run: bool = False,
) -> int:
    """Send dead letters to the events topic again.

    Use this, for example, after an upgrade to a version that knows their schema. REASON, SINCE
    and UNTIL (times of dead-lettering) select the letters. With --dry-run they are only counted.
    """
    from orgtrail_consumers.dead_letters.replay import replay

    def show(letters: Iterator[DeadLetter], settings: ConsumerSettings) -> None:
        if dry_run:
            print(f"{sum(1 for _ in letters)} dead letters would be replayed")
            return
        count = replay(settings, letters, lambda sent: print(f"{sent} sent", file=sys.stderr))
        print(f"{count} dead letters replayed")

    return _with_letters("dlq replay", show, reason, since, until)


def _with_letters(
    command: str,
    act: Callable[[Iterator[DeadLetter], ConsumerSettings], None],
    reason: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> int:
    from confluent_kafka import KafkaError, KafkaException

    from orgtrail_consumers.dead_letters.reader import read_dead_letters
    from orgtrail_schemas.kafka_acls import needed
    from orgtrail_schemas.reasons import REASONS

    settings = read_settings(command)
    if settings is None:
        return 1
    if reason is not None and reason not in REASONS:
        print(f"orgtrail {command}: --reason must be one of {', '.join(REASONS)}", file=sys.stderr)
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
        reason = error.args[0].str()
        if error.args[0].code() in (
            KafkaError.TOPIC_AUTHORIZATION_FAILED,
            KafkaError.GROUP_AUTHORIZATION_FAILED,
            # Who may write to no topic gets no ID as a producer.
            KafkaError.CLUSTER_AUTHORIZATION_FAILED,
        ):
            role = "replayer" if command == "dlq replay" else "reader"
            reason += f": {needed(f'{role} of dead letters')}"
        print(f"orgtrail {command}: {reason}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        raise
    except (OSError, ValueError) as error:
        print(f"orgtrail {command}: {error}", file=sys.stderr)
        return 1
    return 0


def _utc(moment: datetime | None) -> datetime | None:
    return moment.replace(tzinfo=UTC) if moment and moment.tzinfo is None else moment
