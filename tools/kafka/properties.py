"""The configuration of each kind of node, in the form of Kafka's and ZooKeeper's properties files."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

QUORUM: Final = 0
"""The id of the dedicated controller, or of ZooKeeper."""

LISTENERS: Final = ("listeners", "advertised.listeners", "listener.security.protocol.map")
"""The properties that have an entry for each listener."""

Properties = dict[str, str]


@dataclass(frozen=True, slots=True)
class Ports:
    """All ports: for each broker one for clients and one for other brokers, and one for the quorum."""

    clients: Sequence[int]
    internal: Sequence[int]
    quorum: int


def write(path: Path, properties: Mapping[str, str]) -> None:
    """Write a properties file."""
    path.write_text("".join(f"{key}={value}\n" for key, value in properties.items()), encoding="utf-8")


def zookeeper(data: Path, ports: Ports) -> Properties:
    """ZooKeeper for the legacy release line."""
    return {
        "dataDir": str(data),
        "clientPort": str(ports.quorum),
        "clientPortAddress": "127.0.0.1",
        "maxClientCnxns": "0",
        "admin.enableServer": "false",
    }


def controller(data: Path, ports: Ports) -> Properties:
    """A dedicated controller beside several brokers."""
    return _kraft(QUORUM, "controller", QUORUM, ports) | {
        "listeners": f"CONTROLLER://127.0.0.1:{ports.quorum}",
        "log.dirs": str(data),
        **_cluster(len(ports.clients)),
    }


def broker(number: int, data: Path, ports: Ports, advertised: int, *, legacy: bool) -> Properties:
    """Broker `number`, from 1; clients are sent to the advertised port, other brokers are not."""
    brokers = len(ports.clients)
    internal = f"INTERNAL://127.0.0.1:{ports.internal[number - 1]}"
    listeners = [f"CLIENT://127.0.0.1:{ports.clients[number - 1]}", internal]
    if legacy:
        role = {
            "broker.id": str(number),
            "zookeeper.connect": f"127.0.0.1:{ports.quorum}",
            # A killed broker can return only when ZooKeeper has expired its session.
            "zookeeper.session.timeout.ms": "6000",
            # The default is that of a session, which is too short for ZooKeeper to start on a busy machine.
            "zookeeper.connection.timeout.ms": "60000",
            # The last broker to stop has no other to hand its partitions to; by default it tries for 15 s.
            "controlled.shutdown.retry.backoff.ms": "200",
        }
    elif brokers == 1:
        role = _kraft(number, "broker,controller", number, ports)
        listeners.append(f"CONTROLLER://127.0.0.1:{ports.quorum}")
    else:
        role = _kraft(number, "broker", QUORUM, ports)
    return role | {
        "listeners": ",".join(listeners),
        "advertised.listeners": f"CLIENT://127.0.0.1:{advertised},{internal}",
        "inter.broker.listener.name": "INTERNAL",
        "listener.security.protocol.map": "CLIENT:PLAINTEXT,INTERNAL:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "log.dirs": str(data),
        **_cluster(brokers),
    }


def _kraft(number: int, roles: str, leader: int, ports: Ports) -> Properties:
    return {
        "node.id": str(number),
        "process.roles": roles,
        "controller.quorum.voters": f"{leader}@127.0.0.1:{ports.quorum}",
        "controller.listener.names": "CONTROLLER",
        # A broker serves after its first heartbeat; a killed one returns after its session has ended.
        "broker.heartbeat.interval.ms": "500",
        "broker.session.timeout.ms": "6000",
    }


def _cluster(brokers: int) -> Properties:
    """Durable with more than one broker; small, since everything runs on one machine."""
    replicas = str(brokers)
    in_sync = str(min(2, brokers))
    return {
        "auto.create.topics.enable": "false",
        "unclean.leader.election.enable": "false",
        "default.replication.factor": replicas,
        "min.insync.replicas": in_sync,
        "offsets.topic.replication.factor": replicas,
        "offsets.topic.num.partitions": "5",
        "transaction.state.log.replication.factor": replicas,
        "transaction.state.log.min.isr": in_sync,
        "transaction.state.log.num.partitions": "5",
        "share.coordinator.state.topic.replication.factor": replicas,
        "share.coordinator.state.topic.min.isr": in_sync,
        "share.coordinator.state.topic.num.partitions": "5",
        "group.initial.rebalance.delay.ms": "0",
        # The default of 128 MiB is half the heap.
        "log.cleaner.dedupe.buffer.size": "4194304",
    }
