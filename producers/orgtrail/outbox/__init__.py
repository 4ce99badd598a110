"""A transactional outbox: an event is part of the caller's database transaction.

``Outbox.emit`` (``write``) inserts a row (``table``) through the caller's connection (``insert``).
``orgtrail relay`` (``cli``, ``relay``) leases rows (``store``), sends them to Kafka (``flight``)
and deletes acknowledged rows.
"""

from orgtrail.outbox.table import TABLE, create_statements
from orgtrail.outbox.write import Outbox

__all__ = ["TABLE", "Outbox", "create_statements"]
