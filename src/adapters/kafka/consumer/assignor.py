"""How a group's members share the partitions, and how to share them with members that run KafkaJS."""

from typing import Final, Literal

from aiokafka.coordinator.assignors.abstract import AbstractPartitionAssignor
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
from aiokafka.coordinator.assignors.sticky.sticky_assignor import StickyPartitionAssignor

AssignorName = Literal["range", "roundrobin", "sticky", "kafkajs"]


class KafkaJsAssignor(RoundRobinPartitionAssignor):  # type: ignore[misc]  # aiokafka publishes no types
    """Round robin under the one name that KafkaJS members speak; they and we can be the group's leader alike."""

    name = "RoundRobinAssigner"


_ASSIGNORS: Final[dict[AssignorName, type[AbstractPartitionAssignor]]] = {
    "range": RangePartitionAssignor,
    "roundrobin": RoundRobinPartitionAssignor,
    "sticky": StickyPartitionAssignor,
    "kafkajs": KafkaJsAssignor,
}


def assignor_for(name: AssignorName) -> type[AbstractPartitionAssignor]:
    """The one assignor to give to a consumer: aiokafka joins the group once for each that it is given."""
    return _ASSIGNORS[name]
