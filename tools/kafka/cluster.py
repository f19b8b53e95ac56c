"""A cluster of real brokers as child processes, with methods that cause faults for tests."""

import atexit
import fcntl
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import IO, Final, Self

from tools.kafka import nodes, probe, processes
from tools.kafka.processes import KafkaFailed, Process, Running
from tools.kafka.properties import QUORUM, Ports

_START_SECONDS: Final = 90.0
_STOP_SECONDS: Final = 15.0
_POLL_SECONDS: Final = 0.05
_WATCH_SECONDS: Final = 1.0
_ATTEMPTS: Final = 5
_PORT_TAKEN: Final = "Address already in use"
_SESSION_STANDS: Final = "NodeExists"  # ZooKeeper still has the session of a broker that was killed


class KafkaCluster:
    """Apache Kafka on 127.0.0.1: one broker that is its own controller, or several beside a dedicated one.

    With `legacy` it is the last release line with ZooKeeper. Brokers count from 1; node 0 is the dedicated controller
    or ZooKeeper. Data in the directory is kept and used again. Clients are sent to `advertised_ports`, where a
    proxy is in front of each broker; brokers connect to each other directly. `properties` go to every node of Kafka;
    listeners that they name are added to a single broker's own.
    Methods block; they raise KafkaNotAvailable without Java or Maven, KafkaFailed when a node ends.
    """

    def __init__(
        self,
        directory: Path,
        *,
        brokers: int = 1,
        legacy: bool = False,
        ports: Sequence[int] | None = None,
        advertised_ports: Sequence[int] | None = None,
        properties: Mapping[str, str] | None = None,
    ) -> None:
        """Start nothing yet; `ports` and `advertised_ports` have one entry for each broker."""
        for given in (ports, advertised_ports):
            if given is not None and len(given) != brokers:
                raise ValueError(f"{brokers} brokers take as many ports, not {list(given)}")
        self._layout = nodes.Layout(directory.resolve(), brokers, legacy, advertised_ports, properties or {})
        self._given_ports = ports
        self._ports: Ports | None = None
        self._nodes: dict[int, nodes.Node] = {}
        self._running: dict[int, Running] = {}
        self._claim: IO[str] | None = None

    def __enter__(self) -> Self:
        """Start it."""
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop it."""
        self.stop()

    @property
    def version(self) -> str:
        """The version of Kafka."""
        return self._layout.version

    @property
    def bootstrap(self) -> str:
        """The comma list of addresses that clients start from: the advertised ones."""
        return ",".join(f"127.0.0.1:{port}" for port in self._layout.advertised_ports or self.ports)

    @property
    def internal_bootstrap(self) -> str:
        """The addresses between brokers: a client that starts from these bypasses the advertised ports."""
        return ",".join(f"127.0.0.1:{port}" for port in self._listening.internal)

    @property
    def ports(self) -> Sequence[int]:
        """The brokers' own ports for clients, in the order of their ids."""
        return self._listening.clients

    def process(self, node: int) -> Process:
        """The process of a node, for signals and resource counts; a new one after each restart."""
        return self._running[node].process

    def log(self, node: int) -> Path:
        """The log file of a node, with all its runs."""
        return self._nodes[node].log

    def start(self) -> None:
        """Start all nodes; returns when every broker serves and knows all others. Ports stay the same after a stop."""
        atexit.register(self.stop)
        self._claim = _claim(self._layout.directory)
        try:
            self._start_nodes()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop all nodes, brokers before the nodes they depend on; kill those that do not end in time."""
        self._stop_nodes()
        if self._claim is not None:
            self._claim.close()
            self._claim = None
        atexit.unregister(self.stop)

    def kill(self, node: int) -> None:
        """End a node at once, as a crash does."""
        self.process(node).kill()
        self.process(node).wait()

    def restart(self, node: int) -> None:
        """Start a node again on its old ports, stopping it first if it is up; returns when it serves."""
        processes.stop([self.process(node)], _STOP_SECONDS)
        self._run([node])

    def advertise(self, ports: Sequence[int]) -> None:
        """Send clients to other ports, one for each broker, from its next start on."""
        self._layout = replace(self._layout, advertised_ports=ports)
        self._nodes = nodes.prepare(self._layout, self._listening)

    def wait(self) -> None:
        """Block while all nodes run; raises KafkaFailed when one ends by itself."""
        while True:
            for number in self._running:
                self._check(number, expired=False)
            time.sleep(_WATCH_SECONDS)

    @property
    def _listening(self) -> Ports:
        if self._ports is None:
            raise RuntimeError("the cluster has not been started")
        return self._ports

    def _start_nodes(self) -> None:
        # A port that was free a moment ago may be taken by now: then all nodes start again on other ports.
        attempts = _ATTEMPTS if self._ports is None and self._given_ports is None else 1
        for left in reversed(range(attempts)):
            self._ports = self._ports or self._choose_ports()
            try:
                self._nodes = nodes.prepare(self._layout, self._ports)
                self._run(self._nodes)
            except KafkaFailed as failure:
                if left == 0 or _PORT_TAKEN not in str(failure):
                    raise
                self._stop_nodes()
                self._ports = None
            else:
                return

    def _stop_nodes(self) -> None:
        brokers = [running.process for node, running in self._running.items() if node != QUORUM]
        processes.stop(brokers, _STOP_SECONDS)
        processes.stop([running.process for running in self._running.values()], _STOP_SECONDS)
        self._running.clear()

    def _choose_ports(self) -> Ports:
        brokers = self._layout.brokers
        free = probe.free_ports(2 * brokers + 1)
        return Ports(self._given_ports or free[:brokers], free[brokers:-1], free[-1])

    def _run(self, numbers: Iterable[int]) -> None:
        """Start nodes and wait until they serve."""
        starting = set(numbers)
        for number in starting:
            self._launch(number)
        deadline = time.monotonic() + _START_SECONDS
        while not all(self._serves(number, starting - {QUORUM}) for number in starting):
            for number in starting:
                self._check(number, expired=time.monotonic() > deadline)
            time.sleep(_POLL_SECONDS)

    def _launch(self, number: int) -> None:
        self._running[number] = processes.start(self._nodes[number].command, self._nodes[number].log)

    def _serves(self, number: int, brokers: set[int]) -> bool:
        if number == QUORUM:
            return probe.accepts(self._listening.quorum)
        return brokers <= probe.registered_brokers(self._listening.clients[number - 1])

    def _check(self, number: int, *, expired: bool) -> None:
        """Raise KafkaFailed if a node that is not up yet has ended."""
        running = self._running[number]
        ended = running.process.poll() is not None
        if not ended and not expired:
            return
        trouble = running.trouble()
        if ended and not expired and _SESSION_STANDS in trouble:
            self._launch(number)
            return
        what = f"ended with status {running.process.returncode}" if ended else f"took over {_START_SECONDS:.0f} s"
        raise KafkaFailed(f"node {number} of Kafka {self.version} {what}:\n{trouble}")


def _claim(directory: Path) -> IO[str]:
    """Keep every other cluster out of a directory, until the file is closed or this process ends."""
    directory.mkdir(parents=True, exist_ok=True)
    claim = (directory / "lock").open("w")
    try:
        fcntl.flock(claim, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        claim.close()
        raise KafkaFailed(f"another Kafka runs in {directory}") from error
    return claim
