"""Record batches as bytes: what no client library of ours would send."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Sequence

from aiokafka.client import AIOKafkaClient
from aiokafka.protocol.produce import ProduceRequest
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.util import calc_crc32c
from aiokafka.structs import TopicPartition

BAD = "BAD"
"""A header of this name gets a name that is no UTF-8."""
_CRC_AT, _CRC_OF = 17, 21


def raw_batch(values: Sequence[bytes], names: Sequence[str], *, compression: int = 0) -> bytes:
    """A batch of the values; each has a header of the name that stands at its place."""
    builder = DefaultRecordBatchBuilder(2, compression, 0, -1, -1, -1, 1 << 20)
    for offset, (value, name) in enumerate(zip(values, names, strict=True)):
        builder.append(offset, 1_000, b"key", value, [(name, b"it")])
    made = bytearray(bytes(builder.build()).replace(BAD.encode(), b"\xff\xfe-"))
    struct.pack_into(">I", made, _CRC_AT, calc_crc32c(bytes(made[_CRC_OF:])))
    return bytes(made)


def send_raw_batch(brokers: str, topic: str, partition: int, batch: bytes) -> None:
    """Produce it as it is; returns when Kafka has acknowledged it."""

    async def send() -> None:
        client = AIOKafkaClient(bootstrap_servers=brokers)
        await client.bootstrap()
        try:
            await client.set_topics([topic])
            leader = client.cluster.leader_for_partition(TopicPartition(topic, partition))
            request = ProduceRequest(None, -1, 20_000, [(topic, [(partition, batch)])])
            answer = await client.send(leader, request)
            [(_, [(_, error, *_)])] = answer.topics
            assert error == 0
        finally:
            await client.close()

    asyncio.run(send())
