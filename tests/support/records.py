"""Records of real topics, past our own adapters."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import NamedTuple

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic, RecordsToDelete
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.structs import ConsumerRecord

_REQUEST_MS = 10_000
"""A broker that hangs is asked no longer than this."""


class NewRecord(NamedTuple):
    """A record to be sent."""

    value: bytes | None
    key: bytes | None = b"user-1"
    headers: Sequence[tuple[str, bytes]] = ()
    partition: int = 0
    timestamp: int | None = None
    """In milliseconds; None for the time at which it is sent."""


class Partition(NamedTuple):
    """Which nodes have a partition."""

    leader: int
    """-1 where there is none."""
    replicas: Sequence[int]
    in_sync: Sequence[int]


class Topics:
    """The topics of one cluster, for tests to fill and to read."""

    def __init__(self, bootstrap: str) -> None:
        self.bootstrap = bootstrap

    async def make(self, name: str, *, partitions: int = 1, **configs: str) -> None:
        """Make a topic; a config's name is written with underscores."""
        named = {config.replace("_", "."): value for config, value in configs.items()}
        async with self._admin() as admin:
            await admin.create_topics([NewTopic(name, partitions, -1, {}, topic_configs=named)])

    async def configure(self, name: str, **configs: str) -> None:
        """Replace what is set for a topic; a config's name is written with underscores."""
        named = {config.replace("_", "."): value for config, value in configs.items()}
        async with self._admin() as admin:
            await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, name, named)])

    async def settings(self, name: str) -> dict[str, str]:
        """All settings of a topic, as they are in force."""
        async with self._admin() as admin:
            (response,) = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, name)])
        ((_code, _message, _type, _name, configs),) = response.resources
        return {config: value for config, value, *_ in configs}

    async def grow(self, name: str, *, partitions: int) -> None:
        """Add partitions to a topic, up to so many in all."""
        async with self._admin() as admin:
            await admin.create_partitions({name: NewPartitions(partitions)})

    async def send(self, topic: str, records: Sequence[NewRecord]) -> None:
        """Append records in the order given."""
        async with AIOKafkaProducer(bootstrap_servers=self.bootstrap) as producer:
            await asyncio.gather(
                *[
                    await producer.send(
                        topic,
                        record.value,
                        record.key,
                        partition=record.partition,
                        timestamp_ms=record.timestamp,
                        headers=list(record.headers),
                    )
                    for record in records
                ]
            )

    async def read(self, topic: str, *, partition: int | None = None) -> list[ConsumerRecord]:
        """Read all records of a topic, by partition and offset; nothing where there is no such topic."""
        partitions = [at for at in await self._partitions(topic) if partition in {None, at.partition}]
        if not partitions:
            return []
        records: list[ConsumerRecord] = []
        async with AIOKafkaConsumer(bootstrap_servers=self.bootstrap, request_timeout_ms=_REQUEST_MS) as consumer:
            consumer.assign(partitions)
            await consumer.seek_to_beginning()
            ends = await consumer.end_offsets(partitions)
            for at in partitions:
                while await consumer.position(at) < ends[at]:
                    records += (await consumer.getmany(at, timeout_ms=100)).get(at, [])
        return records

    async def delete(self, topic: str, partition: int, *, before: int) -> None:
        """Delete the records of a partition up to an offset, as retention would."""
        async with self._admin() as admin:
            await admin.delete_records({TopicPartition(topic, partition): RecordsToDelete(before)})

    async def committed(self, group: str, topic: str) -> dict[int, int]:
        """The offsets that a group has committed, by partition."""
        async with AIOKafkaConsumer(
            bootstrap_servers=self.bootstrap,
            group_id=group,
            enable_auto_commit=False,
            request_timeout_ms=_REQUEST_MS,
        ) as consumer:
            partitions = await self._partitions(topic)
            # Assigned by hand, it takes no part in the group.
            consumer.assign(partitions)
            offsets = {at.partition: await consumer.committed(at) for at in partitions}
        return {partition: offset for partition, offset in offsets.items() if offset is not None}

    async def reset(self, group: str, topic: str) -> None:
        """Put a group that has no members back to the beginning of a topic."""
        async with AIOKafkaConsumer(
            bootstrap_servers=self.bootstrap, group_id=group, enable_auto_commit=False, request_timeout_ms=_REQUEST_MS
        ) as consumer:
            partitions = await self._partitions(topic)
            # Assigned by hand, it takes no part in the group.
            consumer.assign(partitions)
            await consumer.commit(await consumer.beginning_offsets(partitions))

    async def ends(self, topic: str) -> dict[int, int]:
        """The offset after the last record, by partition."""
        partitions = await self._partitions(topic)
        async with AIOKafkaConsumer(bootstrap_servers=self.bootstrap, request_timeout_ms=_REQUEST_MS) as consumer:
            consumer.assign(partitions)
            ends = await consumer.end_offsets(partitions)
        return {at.partition: end for at, end in ends.items()}

    async def partitions(self, topic: str) -> dict[int, Partition]:
        """Where a topic's partitions are; empty where there is no such topic."""
        async with self._admin() as admin:
            (description,) = await admin.describe_topics([topic])
        return {
            each["partition"]: Partition(each["leader"], each["replicas"], each["isr"])
            for each in description["partitions"]
        }

    async def coordinator(self, group: str) -> int:
        """The node that keeps a group's offsets."""
        async with self._admin() as admin:
            return int(await admin.find_coordinator(group))

    async def remove(self, *names: str) -> None:
        """Delete topics, with all their records."""
        async with self._admin() as admin:
            await admin.delete_topics(list(names))

    async def _partitions(self, topic: str) -> list[TopicPartition]:
        return [TopicPartition(topic, partition) for partition in sorted(await self.partitions(topic))]

    @asynccontextmanager
    async def _admin(self) -> AsyncIterator[AIOKafkaAdminClient]:
        admin = AIOKafkaAdminClient(bootstrap_servers=self.bootstrap, request_timeout_ms=_REQUEST_MS)
        try:
            await admin.start()
            yield admin
        finally:
            await admin.close()
