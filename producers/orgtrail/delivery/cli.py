"""``orgtrail spool``: inspects undelivered events on disk and events that Kafka rejected."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from orgtrail.delivery.frames import frame
from orgtrail.delivery.lane import Lane, lane_folders, saved_position, segment_files
from orgtrail.delivery.queue import Queue
from orgtrail.delivery.segments import FileSegment
from orgtrail.delivery.set_aside import Refused, aside_folder, read_refused
from orgtrail.errors import AuditError
from orgtrail.settings import ProducerSettings

spool = App(
    name="spool",
    help="Inspect undelivered events on disk (ORGTRAIL_SPOOL_DIR), and events Kafka rejected.",
    default_parameter=Parameter(negative=()),
)

_Name = Annotated[str, Parameter(help="Names that `orgtrail spool list` prints.")]


@spool.command(name="list")
def list_() -> int:
    """List waiting events per process, and events that were set aside with the reason."""
    folder = _folder()
    print(f"spool {folder}")
    for lane in lane_folders(folder):
        waiting, size, alive = _waiting(lane)
        state = "in use by a running process" if alive else "the next process sends them"
        print(f"  {lane.name}  {waiting} events waiting, {size / 1e6:.1f} MB; {state}")
    for path in _set_aside(folder):
        print(f"  {path.name}  {_about(path)}")
    return 0


@spool.command
def show(*names: _Name) -> int:
    """Show rejected events with the reason, as one JSON object per line."""
    import json

    from orgtrail_schemas.codec import decode_datum, read_frame
    from orgtrail_schemas.event_schema import current_schema, schemas_by_fingerprint

    for path, record in _refused(names):
        header = read_frame(record.envelope.value)
        writer = schemas_by_fingerprint()[header.fingerprint or ""]
        event = decode_datum(writer, current_schema(), record.envelope.value[header.size :])
        print(json.dumps({"name": path.name, "reason": record.reason, "event": event}))
    return 0


@spool.command
def retry(*names: _Name) -> int:
    """Queue events again that were set aside. The next process that uses the spool sends them."""
    folder = _folder()
    for path, record in _refused(names):
        lane = Lane.create(
            folder,
            ProducerSettings.load().topic,
            f"{time.time_ns() // 1_000_000:013d}-retry-{path.stem[-6:]}",
        )
        segment = lane.new_segment(1, len(record.envelope.value) * 2)
        segment.append(frame(record.envelope))
        segment.sync()
        segment.close()
        lane.reserve(0)
        lane.close()
        path.unlink()
        print(f"{path.name} is queued again")
    return 0


@spool.command
def drop(*names: _Name) -> int:
    """Delete events that were set aside, permanently."""
    for path in _chosen(names):
        path.unlink()
        print(f"{path.name} was deleted")
    return 0


def _folder() -> Path:
    try:
        return ProducerSettings.load().spool_folder()
    except (AuditError, OSError) as error:
        print(f"orgtrail spool: {error}", file=sys.stderr)
        raise SystemExit(1) from None


def _set_aside(folder: Path) -> list[Path]:
    return sorted(p for p in aside_folder(folder).glob("*") if not p.name.startswith("."))


def _about(path: Path) -> str:
    if path.suffix != ".refused":
        return f"{path.stat().st_size} damaged bytes without an event"
    try:
        record: Refused = read_refused(path)
    except ValueError as error:
        return f"cannot be read: {error}"
    at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(record.at / 1000))
    return f"{record.envelope.event} of {record.envelope.key}, rejected {at}: {record.reason}"


def _chosen(names: tuple[str, ...]) -> list[Path]:
    known = {path.name: path for path in _set_aside(_folder())}
    for name in names:
        if name not in known:
            print(
                f"orgtrail spool: {name} does not exist; orgtrail spool list prints the names",
                file=sys.stderr,
            )
            raise SystemExit(1)
    return [known[name] for name in names]


def _refused(names: tuple[str, ...]) -> Iterator[tuple[Path, Refused]]:
    for path in _chosen(names):
        try:
            yield path, read_refused(path)
        except ValueError:
            print(f"orgtrail spool: {path.name} does not contain an event", file=sys.stderr)
            raise SystemExit(1) from None


def _waiting(path: Path) -> tuple[int, int, bool]:
    lane = Lane.adopt(path)
    if lane is not None:
        lane.close()
    segments = [FileSegment(file, 0, writable=False) for file in segment_files(path)]
    queue = Queue(segments, saved_position(path), save=lambda _p: None, on_damage=lambda *_d: None)
    result = queue.count(), sum(s.size for s in segments), lane is None
    queue.close()
    return result
