"""What a caller is told about one record."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple


class Delivery(NamedTuple):
    """What became of one record.

    ``state`` is ``acknowledged`` (Kafka has it), ``set_aside`` (Kafka refuses it for itself; it is
    in the spool's folder ``aside``) or ``lost`` (the same, with nowhere to keep it), with the
    ``error``.
    """

    event_id: str
    org_id: str
    state: str
    error: str | None = None


OnDelivery = Callable[[Delivery], None]
