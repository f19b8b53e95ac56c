"""A group that is shared with KafkaJS, and a group's offsets in one request.

A leader that runs KafkaJS names only the members that it gives partitions to. With more members than partitions the
others receive no bytes at all, on which aiokafka's coordination ends for good.

The client's public `committed` takes a request for each partition, each of which waits for the one before.

Upstream: no issue of aiokafka is known for either. KafkaJS mended the first for its own members (its issue 550).
"""

from collections.abc import Collection

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.coordinator.protocol import ConsumerProtocol, ConsumerProtocolMemberAssignment

_VERSION = 0


class _OptionalAssignment(ConsumerProtocolMemberAssignment):  # type: ignore[misc]  # aiokafka publishes no types
    """An assignment that a leader may have left out."""

    @classmethod
    def decode(cls, data: bytes) -> ConsumerProtocolMemberAssignment:
        return super().decode(data) if data else cls(_VERSION, [], b"")


def patch_assignments() -> None:
    """Let every consumer of this process read an assignment that was left out."""
    ConsumerProtocol.ASSIGNMENT = _OptionalAssignment


async def committed_offsets(
    consumer: AIOKafkaConsumer, partitions: Collection[TopicPartition]
) -> dict[TopicPartition, int]:
    """Ask the coordinator for the offsets of the consumer's group; partitions without one are left out."""
    found = await consumer._coordinator.fetch_committed_offsets(list(partitions))
    return {partition: committed.offset for partition, committed in found.items()}
