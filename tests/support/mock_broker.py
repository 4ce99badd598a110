"""librdkafka's mock broker in a process of its own: it can be taken down, slowed and made to fail.

``python -m tests.support.mock_broker`` prints its address and then obeys lines on standard input:
``down``, ``up``, ``rtt MS``, ``errors API COUNT CODE``. It lives as long as its standard input.
"""

from __future__ import annotations

import ctypes
import subprocess
import sys
from pathlib import Path
from typing import Any

PRODUCE = 0
"""The number of the Produce request in Kafka's protocol."""


class MockBroker:
    """A mock broker, seen from a test."""

    def __init__(self, topic: str = "audit.events.v1") -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.mock_broker", topic],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).resolve().parents[2],
        )
        self.address = self._process.stdout.readline().strip()

    def do(self, *words: Any) -> None:
        self._process.stdin.write(" ".join(map(str, words)) + "\n")
        self._process.stdin.flush()
        assert self._process.stdout.readline() == "ok\n"

    def down(self) -> None:
        self.do("down")

    def up(self) -> None:
        self.do("up")

    def fail_produce(self, code: int, count: int = 1) -> None:
        """Answer the next produce requests with an error."""
        self.do("errors", PRODUCE, count, code)

    def records(self, wanted: int, seconds: float = 20, topic: str = "audit.events.v1") -> list:
        """What is in the topic, as soon as there are so many records; at most this long."""
        import time

        from confluent_kafka import Consumer, TopicPartition

        consumer = Consumer(
            {"bootstrap.servers": self.address, "group.id": "x", "log_level": 0,
             "auto.offset.reset": "earliest", "topic.metadata.refresh.fast.interval.ms": 50}
        )  # fmt: skip
        consumer.assign([TopicPartition(topic, n, 0) for n in range(4)])
        found, deadline = [], time.monotonic() + seconds
        quiet = 0
        while time.monotonic() < deadline and (len(found) < wanted or quiet < 3):
            message = consumer.poll(0.1)
            if message is None:
                quiet += 1
            elif not message.error():
                found.append(message)
                quiet = 0
        consumer.close()
        return found

    def close(self) -> None:
        self._process.stdin.close()
        self._process.wait(10)


def ids(records: list) -> list[str]:
    """The event ids of records, in the order of a partition."""
    return [dict(record.headers())["ce_id"].decode() for record in records]


def main() -> None:
    import confluent_kafka

    library = next(
        Path(confluent_kafka.__file__).parent.parent.glob("confluent_kafka.libs/librdkafka-*.so*")
    )
    lib = ctypes.CDLL(str(library))
    producer = confluent_kafka.Producer({"test.mock.num.brokers": 1, "log_level": 0})
    # struct Handle of confluent-kafka begins with the object's head and then the rd_kafka_t.
    handle = ctypes.cast(id(producer) + 16, ctypes.POINTER(ctypes.c_void_p))[0]
    lib.rd_kafka_handle_mock_cluster.restype = ctypes.c_void_p
    cluster = ctypes.c_void_p(lib.rd_kafka_handle_mock_cluster(ctypes.c_void_p(handle)))
    for topic in sys.argv[1:]:
        lib.rd_kafka_mock_topic_create(cluster, topic.encode(), 4, 1)
    brokers = producer.list_topics(timeout=5).brokers.values()
    print(next(f"{b.host}:{b.port}" for b in brokers), flush=True)
    for words in map(str.split, sys.stdin):
        match words:
            case ["down"]:
                lib.rd_kafka_mock_broker_set_down(cluster, 1)
            case ["up"]:
                lib.rd_kafka_mock_broker_set_up(cluster, 1)
            case ["rtt", ms]:
                lib.rd_kafka_mock_broker_set_rtt(cluster, 1, int(ms))
            case ["topic", name]:
                lib.rd_kafka_mock_topic_create(cluster, name.encode(), 4, 1)
            case ["errors", api, count, code]:
                codes = [ctypes.c_int(int(code))] * int(count)
                lib.rd_kafka_mock_push_request_errors(
                    cluster, ctypes.c_int16(int(api)), ctypes.c_size_t(int(count)), *codes
                )
        print("ok", flush=True)


if __name__ == "__main__":
    main()
