"""Records that Kafka rejects for themselves: set aside on disk, counted and logged."""

from __future__ import annotations

import logging
import time
from pathlib import Path

from orgtrail.delivery.segments import Segment
from orgtrail.delivery.set_aside import Refused, set_damage_aside, set_refused_aside
from orgtrail.delivery.status import Counter, say
from orgtrail.envelope import Envelope


class Refusals:
    """Sets records and damaged bytes aside; what cannot be set aside is lost, and logged."""

    def __init__(self, spool: Path | None, limit: int) -> None:
        """``limit`` is the maximum size of the folder for undeliverable data, in bytes."""
        self._spool = spool
        self._limit = limit
        self._damage: set[str] = set()
        self.set_aside = Counter()
        self.lost = Counter()
        self.damaged = Counter()

    def keep_record(self, envelope: Envelope, why: str) -> str:
        """Set a rejected record aside; return its final state, ``set_aside`` or ``lost``."""
        trouble = ""
        if self._spool is not None:
            now_ms = time.time_ns() // 1_000_000
            try:
                set_refused_aside(self._spool, Refused(now_ms, why, envelope), self._limit)
            except OSError as error:
                trouble = f", and it cannot be set aside ({error.strerror})"
            else:
                self.set_aside.add()
                say(
                    logging.ERROR,
                    "event %s was set aside: Kafka rejected it (%s); see: orgtrail spool list",
                    envelope.event_id,
                    why,
                )
                return "set_aside"
        self.lost.add()
        say(
            logging.ERROR,
            "event %s is lost: Kafka rejected it (%s)%s",
            envelope.event_id,
            why,
            trouble,
        )
        return "lost"

    def keep_damage(self, segment: Segment, offset: int, data: bytes) -> None:
        """Count damaged bytes and set them aside for inspection."""
        path = getattr(segment, "path", Path("memory"))
        name = f"{path.parent.name}-{path.stem}-{offset}"
        if name in self._damage:
            return  # Already counted: the queue was read again after a failure.
        self._damage.add(name)
        self.damaged.add()
        location: object = "memory"
        if self._spool is not None:
            try:
                location = set_damage_aside(self._spool, name, data, self._limit)
            except OSError as error:
                location = error.strerror
        say(logging.ERROR, "%d bytes of the spool are damaged: %s", len(data), location)
