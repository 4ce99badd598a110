"""The delivery report of one record."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple


class Delivery(NamedTuple):
    """The outcome of one record.

    ``state`` is ``acknowledged`` (Kafka has stored it), ``set_aside`` (Kafka rejected this record;
    it is kept in the spool's folder ``aside``) or ``lost`` (Kafka rejected it and it could not be
    kept). ``error`` is the reason for the last two.
    """

    event_id: str
    org_id: str
    state: str
    error: str | None = None


OnDelivery = Callable[[Delivery], None]
