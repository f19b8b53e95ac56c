"""A real Apache Kafka on loopback without Docker, for tests and for `make kafka`."""

from tools.kafka.cluster import KafkaCluster
from tools.kafka.jars import KafkaNotAvailable
from tools.kafka.processes import KafkaFailed

__all__ = ["KafkaCluster", "KafkaFailed", "KafkaNotAvailable"]
