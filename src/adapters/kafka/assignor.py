"""How a group's members share the partitions, and how to share them with members that run KafkaJS."""

from typing import Final, Literal

from aiokafka.coordinator.assignors.abstract import AbstractPartitionAssignor
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
from aiokafka.coordinator.assignors.sticky.sticky_assignor import StickyPartitionAssignor
from aiokafka.coordinator.protocol import ConsumerProtocol, ConsumerProtocolMemberAssignment

AssignorName = Literal["range", "roundrobin", "sticky", "kafkajs"]


class KafkaJsAssignor(RoundRobinPartitionAssignor):  # type: ignore[misc]  # aiokafka publishes no types
    """Round robin under the one name that KafkaJS members speak; they and we can be the group's leader alike."""

    name = "RoundRobinAssigner"


class _OptionalAssignment(ConsumerProtocolMemberAssignment):  # type: ignore[misc]  # as above
    """An assignment that a leader may have left out.

    KafkaJS names only the members it gives partitions to. With more members than partitions the others receive no
    bytes at all, on which aiokafka's coordination ends for good.
    """

    @classmethod
    def decode(cls, data: bytes) -> ConsumerProtocolMemberAssignment:
        return super().decode(data) if data else cls(KafkaJsAssignor.version, [], b"")


_ASSIGNORS: Final[dict[AssignorName, type[AbstractPartitionAssignor]]] = {
    "range": RangePartitionAssignor,
    "roundrobin": RoundRobinPartitionAssignor,
    "sticky": StickyPartitionAssignor,
    "kafkajs": KafkaJsAssignor,
}


def assignor_for(name: AssignorName) -> type[AbstractPartitionAssignor]:
    """The one assignor to give to a consumer: aiokafka joins the group once for each that it is given.

    For `kafkajs` every consumer of the process also learns to read an assignment that was left out.
    """
    if name == "kafkajs":
        ConsumerProtocol.ASSIGNMENT = _OptionalAssignment
    return _ASSIGNORS[name]
