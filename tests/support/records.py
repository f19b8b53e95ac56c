"""Records of real topics, past our own adapters."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import NamedTuple

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic, RecordsToDelete
from aiokafka.structs import ConsumerRecord


class NewRecord(NamedTuple):
    """A record to be sent."""

    value: bytes | None
    key: bytes | None = b"user-1"
    headers: Sequence[tuple[str, bytes]] = ()
    partition: int = 0


class Topics:
    """The topics of one broker, for tests to fill and to read."""

    def __init__(self, bootstrap: str) -> None:
        self.bootstrap = bootstrap

    async def make(self, name: str, *, partitions: int = 1, **configs: str) -> None:
        """Make a topic; a config's name is written with underscores."""
        named = {config.replace("_", "."): value for config, value in configs.items()}
        async with self._admin() as admin:
            await admin.create_topics([NewTopic(name, partitions, -1, {}, topic_configs=named)])

    async def send(self, topic: str, records: Sequence[NewRecord]) -> None:
        """Append records in the order given."""
        async with AIOKafkaProducer(bootstrap_servers=self.bootstrap) as producer:
            await asyncio.gather(
                *[
                    await producer.send(
                        topic, record.value, record.key, partition=record.partition, headers=list(record.headers)
                    )
                    for record in records
                ]
            )

    async def read(self, topic: str) -> list[ConsumerRecord]:
        """Read all that stands in a topic, by partition and offset; nothing where there is no such topic."""
        partitions = await self._partitions(topic)
        if not partitions:
            return []
        records: list[ConsumerRecord] = []
        async with AIOKafkaConsumer(bootstrap_servers=self.bootstrap) as consumer:
            consumer.assign(partitions)
            await consumer.seek_to_beginning()
            ends = await consumer.end_offsets(partitions)
            for partition in partitions:
                while await consumer.position(partition) < ends[partition]:
                    records += (await consumer.getmany(partition, timeout_ms=100)).get(partition, [])
        return records

    async def delete(self, topic: str, partition: int, *, before: int) -> None:
        """Delete the records of a partition up to an offset, as retention would."""
        async with self._admin() as admin:
            await admin.delete_records({TopicPartition(topic, partition): RecordsToDelete(before)})

    async def committed(self, group: str, topic: str) -> dict[int, int]:
        """The offsets that a group has committed, by partition."""
        async with AIOKafkaConsumer(
            bootstrap_servers=self.bootstrap, group_id=group, enable_auto_commit=False
        ) as consumer:
            partitions = await self._partitions(topic)
            # Assigned by hand, it takes no part in the group.
            consumer.assign(partitions)
            offsets = {at.partition: await consumer.committed(at) for at in partitions}
        return {partition: offset for partition, offset in offsets.items() if offset is not None}

    async def _partitions(self, topic: str) -> list[TopicPartition]:
        async with self._admin() as admin:
            (description,) = await admin.describe_topics([topic])
        return sorted(TopicPartition(topic, partition["partition"]) for partition in description["partitions"])

    @asynccontextmanager
    async def _admin(self) -> AsyncIterator[AIOKafkaAdminClient]:
        admin = AIOKafkaAdminClient(bootstrap_servers=self.bootstrap)
        try:
            await admin.start()
            yield admin
        finally:
            await admin.close()
