"""Where a group stands in many partitions, in one request: the client's public `committed` takes one each."""

from collections.abc import Collection

from aiokafka import AIOKafkaConsumer, TopicPartition


async def committed_offsets(
    consumer: AIOKafkaConsumer, partitions: Collection[TopicPartition]
) -> dict[TopicPartition, int]:
    """Ask the coordinator for the offsets of the consumer's group; partitions without one are left out."""
    coordinator = consumer._coordinator  # noqa: SLF001 - as said
    return {at: found.offset for at, found in (await coordinator.fetch_committed_offsets(list(partitions))).items()}
