"""The nodes of a cluster: directory, properties file, storage and command line of each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tools.kafka import jars, processes, properties
from tools.kafka.processes import KafkaFailed, java_command
from tools.kafka.properties import QUORUM, Ports, Properties

_CLUSTER_ID: Final = "bG9vcGJhY2sta2Fma2EtMQ"  # any 16 bytes in base64
_FORMAT_SECONDS: Final = 60


@dataclass(frozen=True, slots=True)
class Node:
    """A Java program of the cluster and its log file."""

    command: Sequence[str]
    log: Path


@dataclass(frozen=True, slots=True)
class Layout:
    """The layout of a cluster, without its ports."""

    directory: Path
    brokers: int
    legacy: bool
    advertised_ports: Sequence[int] | None
    extra: Mapping[str, str]

    @property
    def version(self) -> str:
        """The version of Kafka."""
        return jars.LEGACY_VERSION if self.legacy else jars.VERSION

    @property
    def numbers(self) -> range:
        """The ids of all nodes: brokers from 1, and 0 for a dedicated controller or ZooKeeper."""
        combined = self.brokers == 1 and not self.legacy
        return range(1 if combined else QUORUM, self.brokers + 1)


def prepare(layout: Layout, ports: Ports) -> dict[int, Node]:
    """Write every node's files, format new storage, and return the nodes by id."""
    java, class_path = jars.find_java(), jars.class_path(layout.version)
    nodes: dict[int, Node] = {}
    formatting = []
    for number in layout.numbers:
        home = layout.directory / _name(layout, number)
        data, file, log = home / "data", home / "server.properties", home / "server.log"
        home.mkdir(parents=True, exist_ok=True)
        properties.write(file, _properties(layout, ports, number, data))
        zookeeper = layout.legacy and number == QUORUM
        main = "org.apache.zookeeper.server.quorum.QuorumPeerMain" if zookeeper else "kafka.Kafka"
        heap = "128m" if number == QUORUM else "256m"
        nodes[number] = Node(java_command(java, class_path, heap, main, str(file)), log)
        if not layout.legacy and not (data / "meta.properties").exists():
            tool = ["kafka.tools.StorageTool", "format", "--cluster-id", _CLUSTER_ID, "--config", str(file)]
            formatting.append(processes.start(java_command(java, class_path, "64m", *tool), log))
    for storage in formatting:
        if storage.process.wait(_FORMAT_SECONDS) != 0:
            raise KafkaFailed(f"storage could not be formatted:\n{storage.trouble()}")
    return nodes


def _name(layout: Layout, number: int) -> str:
    if number != QUORUM:
        return f"broker-{number}"
    return "zookeeper" if layout.legacy else "controller"


def _properties(layout: Layout, ports: Ports, number: int, data: Path) -> Properties:
    if number != QUORUM:
        advertised = (layout.advertised_ports or ports.clients)[number - 1]
        return _extended(properties.broker(number, data, ports, advertised, legacy=layout.legacy), layout.extra)
    if layout.legacy:
        return properties.zookeeper(data, ports)
    return properties.controller(data, ports) | dict(layout.extra)


def _extended(own: Properties, extra: Mapping[str, str]) -> Properties:
    """Override a broker's own properties by `extra`; its listeners are added to the broker's own."""
    beside = {name: f"{own[name]},{extra[name]}" for name in properties.LISTENERS if name in extra}
    return own | dict(extra) | beside
