"""A process that sends events at a steady rate: ``sender.py BROKERS TOPIC RATE SECONDS``.

Prints how many were acknowledged. Apart from the measuring process, which it would slow down.
"""

from __future__ import annotations

import sys
import time
from datetime import UTC, datetime
from itertools import islice

from confluent_kafka import Producer
from tests.benchmarks.workload import messages

PARTITIONS = 4


def main(brokers: str, topic: str, rate: int, seconds: float) -> None:
    producer = Producer(
        {
            "bootstrap.servers": brokers,
            "compression.type": "lz4",
            "linger.ms": 20,
            "batch.size": 1_000_000,
            "queue.buffering.max.messages": 500_000,
        }
    )
    mix = messages(int(rate * seconds), datetime.now(UTC))
    began, sent = time.monotonic(), 0
    while (elapsed := time.monotonic() - began) < seconds:
        due = int(elapsed * rate) - sent
        for message in islice(mix, due):
            while True:
                try:
                    producer.produce(topic, message.value, message.key, partition=sent % PARTITIONS)
                    break
                except BufferError:
                    producer.poll(0.05)
            sent += 1
        producer.poll(0)
        time.sleep(0.01)
    producer.flush(60)
    print(sent)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4]))
