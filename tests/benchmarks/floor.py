"""The floor: librdkafka reads the same bytes while ready blocks of the same rows are inserted.

No decoding, no enrichment: what broker and ClickHouse cost on this machine whatever is between.
"""

from __future__ import annotations

import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import clickhouse_connect
import pyarrow as pa
from confluent_kafka import Consumer


def main(total: int, block: Path) -> None:
    """Consume so many messages and insert as many rows of the block."""
    with pa.memory_map(str(block)) as source:
        rows = pa.ipc.open_file(source).read_all()
    consumer = Consumer(
        {
            "bootstrap.servers": os.environ["BROKERS"],
            "group.id": "floor",
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
        }
    )
    consumer.subscribe([os.environ["TOPIC"]])
    clients = [
        clickhouse_connect.get_client(
            host="127.0.0.1",
            port=int(os.environ["HTTP_PORT"]),
            username="audit_writer",
            password=os.environ["WRITER_PASSWORD"],
            autogenerate_session_id=False,
            compress=False,
        )
        for _ in range(2)
    ]
    seen, pending = 0, []
    with ThreadPoolExecutor(2) as pool:
        while seen < total:
            seen += (got := len(consumer.consume(20_000, 1.0)))
            if got:
                client = clients[len(pending) % 2]
                part = rows.slice(0, got)
                pending.append(pool.submit(client.insert_arrow, "audit.events_store", part))
            while len(pending) > 4:
                pending.pop(0).result()
        for future in pending:
            future.result()


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
