"""A record that the Kafka client itself cannot read: its checksum is right, but a header's name is no UTF-8."""

import asyncio
import struct

import pytest
from aiokafka.client import AIOKafkaClient
from aiokafka.protocol.produce import ProduceRequest
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.util import calc_crc32c

from adapters.kafka.connection import Brokers
from adapters.kafka.consumer.event_source import KafkaEventSource
from adapters.kafka.log_reader import KafkaLogReader
from application.ports import HaltKind
from domain.errors import WrongDeployment
from tests.contracts.harness import ends, flat
from tests.contracts.reader_contract import read_into
from tests.support.kafka import KafkaServer
from tests.support.listeners import Witness
from tests.support.waiting import PATIENCE, eventually

_CRC_AT, _CHECKED_FROM = 17, 21


async def test_a_partition_halts_at_an_unreadable_record_and_the_others_flow_on(kafka: KafkaServer) -> None:
    """Records before it are delivered, those behind it once it is skipped; other partitions notice nothing."""
    topic = await kafka.new_topic(partitions=2)
    await _append(kafka, topic, 0, _batch([b"a", b"b"]))
    await _append(kafka, topic, 0, _batch([b"c", b"bad", b"d"], unreadable=1))
    await _append(kafka, topic, 1, _batch([b"e", b"f"]))
    source = KafkaEventSource(Brokers(kafka.bootstrap), topic=topic, group=topic, assignor="range", session_timeout=6)
    source.subscribe(Witness())
    delivered: dict[int, list[bytes | None]] = {0: [], 1: []}
    try:
        async with asyncio.timeout(PATIENCE):
            while not source.halted() or len(delivered[1]) < 2:
                if polled := await source.poll(100, 0.2):
                    for record in flat(polled):
                        delivered[record.partition].append(record.value)
                    await source.commit(ends(polled))
            await _append(kafka, topic, 1, _batch([b"g"]))
            while len(delivered[1]) < 3:
                delivered[1] += [record.value for record in flat(await source.poll(100, 0.2))]

        assert delivered == {0: [b"a", b"b", b"c"], 1: [b"e", b"f", b"g"]}
        assert source.halted().keys() == {0}
        halt = source.halted()[0]
        assert (halt.kind, halt.offset) == (HaltKind.UNREADABLE, 3)
        assert "cannot be read" in halt.reason

        source.skip(0)
        async with asyncio.timeout(PATIENCE):
            while len(delivered[0]) < 4:
                delivered[0] += [record.value for record in flat(await source.poll(100, 0.2))]
        assert delivered[0] == [b"a", b"b", b"c", b"d"]
        assert not source.halted()
    finally:
        await source.close()


async def test_a_reader_ends_at_an_unreadable_record_and_names_its_place(kafka: KafkaServer) -> None:
    """Records before it are read; a member that begins behind it notices nothing."""
    topic = await kafka.new_topic()
    await _append(kafka, topic, 0, _batch([b"a", b"b"]))
    await _append(kafka, topic, 0, _batch([b"c", b"bad", b"d"], unreadable=1))
    reader = KafkaLogReader(Brokers(kafka.bootstrap), topic)
    values: list[bytes | None] = []
    with pytest.raises(WrongDeployment, match=f"{topic}, partition 0, offset 3: the record cannot be read"):
        await read_into(values, reader.read(0, 0, 5))
    assert values == [b"a", b"b", b"c"]
    await read_into(values, reader.read(0, 4, 5))
    assert values[3:] == [b"d"]


def _batch(values: list[bytes], unreadable: int | None = None) -> bytes:
    """Build a record batch; the header of the record at place `unreadable` gets a name that is no UTF-8."""
    builder = DefaultRecordBatchBuilder(2, 0, 0, -1, -1, -1, 1_000_000)
    for place, value in enumerate(values):
        name = "BROKEN" if place == unreadable else "sound"
        builder.append(place, 1_700_000_000_000, b"user", value, [(name, b"")])
    batch = bytearray(builder.build())
    if unreadable is not None:
        at = batch.index(b"BROKEN")
        batch[at : at + 6] = b"\xff\xfe\xfd\xfc\xfb\xfa"
        struct.pack_into(">I", batch, _CRC_AT, calc_crc32c(bytes(batch[_CHECKED_FROM:])))
    return bytes(batch)


async def _append(kafka: KafkaServer, topic: str, partition: int, batch: bytes) -> None:
    client = AIOKafkaClient(bootstrap_servers=kafka.bootstrap)
    await client.bootstrap()
    try:
        client.set_topics([topic])
        await client.force_metadata_update()
        [leader] = {node.nodeId for node in client.cluster.brokers()}

        async def is_appended() -> bool:
            # A topic that was just made has no leader at once.
            response = await client.send(leader, ProduceRequest(None, -1, 10_000, [(topic, [(partition, batch)])]))
            [(_topic, [(_partition, error, *_rest)])] = response.topics
            return bool(error == 0)

        await eventually(is_appended, "the batch in the topic")
    finally:
        await client.close()
