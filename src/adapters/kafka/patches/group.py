"""Groups: assignments that KafkaJS leaves out, and all committed offsets in one request.

- A KafkaJS leader sends no assignment to a member without partitions. aiokafka fails to decode the empty bytes, and its
  coordination ends. Upstream: no issue of aiokafka found; KafkaJS fixed the same for its own members (KafkaJS 550).
- The public `committed` asks for one partition a request. Upstream: no issue found.
"""

from collections.abc import Collection

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.coordinator.protocol import ConsumerProtocol, ConsumerProtocolMemberAssignment

_VERSION = 0


class _OptionalAssignment(ConsumerProtocolMemberAssignment):  # type: ignore[misc]  # aiokafka publishes no types
    """An assignment that the leader may have left out."""

    @classmethod
    def decode(cls, data: bytes) -> ConsumerProtocolMemberAssignment:
        return super().decode(data) if data else cls(_VERSION, [], b"")


def patch_assignments() -> None:
    """Make every consumer of this process accept an assignment that was left out."""
    ConsumerProtocol.ASSIGNMENT = _OptionalAssignment


async def committed_offsets(
    consumer: AIOKafkaConsumer, partitions: Collection[TopicPartition]
) -> dict[TopicPartition, int]:
    """Return the offsets of the consumer's group, without the partitions that have none."""
    found = await consumer._coordinator.fetch_committed_offsets(list(partitions))
    return {partition: committed.offset for partition, committed in found.items()}
