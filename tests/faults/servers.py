"""The servers of the suite and the faults of their own: killed, frozen, stopped, and healed again."""

import asyncio
import os
import signal
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TypeVar

from aiokafka.errors import KafkaError

from entrypoints.dev.local_postgres import LocalPostgres
from tests.support.records import Topics
from tests.support.waiting import eventually
from tools.kafka import KafkaCluster, probe

T = TypeVar("T")

OFFSETS_TOPIC = "__consumer_offsets"
_HEALTHY_SECONDS = 60.0
_STARTED = "Kafka Server started"
# The kernel ends PostgreSQL with the *thread* that started it: this one outlives every test's event loop.
starter = ThreadPoolExecutor(max_workers=1, thread_name_prefix="faults-starter")


class KafkaNodes:
    """The brokers as processes; nodes count from 1."""

    def __init__(self, cluster: KafkaCluster) -> None:
        self._cluster = cluster
        self._frozen: set[int] = set()
        self.topics = Topics(cluster.internal_bootstrap)
        """For the tests themselves, past the proxies."""

    @property
    def nodes(self) -> range:
        """The ids of the brokers."""
        return range(1, len(self._cluster.ports) + 1)

    def pid(self, node: int) -> int:
        """A broker's process id."""
        return self._cluster.process(node).pid

    async def kill(self, node: int) -> None:
        """End a broker without warning."""
        await _in_thread(lambda: self._cluster.kill(node))

    async def restart(self, node: int) -> None:
        """Start a broker again, stopping it first in order if it is up; returns when it serves."""
        self.thaw(node)
        await _in_thread(lambda: self._cluster.restart(node))

    async def move(self, advertised: Mapping[int, int]) -> None:
        """Restart all brokers, which send their clients to these ports from then on, by node."""
        await _in_thread(lambda: self._cluster.advertise([advertised[node] for node in self.nodes]))
        for node in self.nodes:
            await self.restart(node)
        await self.heal()

    def freeze(self, node: int) -> None:
        """Stop a broker in its tracks; its connections stay open."""
        self._cluster.process(node).send_signal(signal.SIGSTOP)
        self._frozen.add(node)

    def thaw(self, node: int) -> None:
        """Undo `freeze`."""
        self._cluster.process(node).send_signal(signal.SIGCONT)
        self._frozen.discard(node)

    def log(self, node: int) -> str:
        """What a broker has logged, in all its runs."""
        return self._cluster.log(node).read_text(errors="replace")

    @property
    def starts(self) -> int:
        """How many times brokers have come up in all, by their own logs."""
        return sum(self.log(node).count(_STARTED) for node in self.nodes)

    async def leader(self, topic: str, partition: int = 0) -> int:
        """The node that leads a partition."""
        return (await self.topics.partitions(topic))[partition].leader

    async def led_by_other(self, topic: str, partition: int, node: int) -> int:
        """Wait until another node than this one leads a partition, and return which."""
        leader = node

        async def has_changed() -> bool:
            nonlocal leader
            # Who has just been killed is still asked now and then.
            with suppress(KafkaError):
                leader = await self.leader(topic, partition)
            return leader not in {-1, node}

        await eventually(has_changed, f"a new leader of {topic}-{partition}", within=_HEALTHY_SECONDS)
        return leader

    async def out_of_sync(self, topic: str, node: int) -> None:
        """Wait until no partition counts on a node any more."""

        async def is_out() -> bool:
            with suppress(KafkaError):
                return all(node not in each.in_sync for each in (await self.topics.partitions(topic)).values())
            return False

        await eventually(is_out, f"node {node} out of sync", within=_HEALTHY_SECONDS)

    async def heal(self) -> None:
        """Thaw and restart what needs it; returns when every broker knows of all and all replicas are in sync."""
        for node in tuple(self._frozen):
            self.thaw(node)
        for node in self.nodes:
            if self._cluster.process(node).poll() is not None:
                await self.restart(node)
        await eventually(self._is_whole, "three brokers in sync", within=_HEALTHY_SECONDS)

    async def _is_whole(self) -> bool:
        known = [await _in_thread(partial(probe.registered_brokers, port)) for port in self._cluster.ports]
        if any(brokers != set(self.nodes) for brokers in known):
            return False
        partitions = (await self.topics.partitions(OFFSETS_TOPIC)).values()
        return all(set(each.in_sync) == set(each.replicas) for each in partitions)


class PostgresProcesses:
    """The database as processes."""

    def __init__(self, server: LocalPostgres) -> None:
        self._server = server
        self._frozen: list[int] = []

    @property
    def log(self) -> str:
        """What the server has logged, in all its runs."""
        return self._server.log.read_text(errors="replace")

    async def stop(self) -> None:
        """Stop at once as in a crash: every session is lost, and the next start recovers."""
        await _in_thread(lambda: self._server.stop(immediate=True))

    async def start(self) -> None:
        """Start again, and return once it accepts connections."""
        await _in_thread(self._server.start)

    def freeze(self) -> None:
        """Stop all its processes in their tracks; connections stay open."""
        assert self._server.process is not None
        parent = self._server.process.pid
        # The parent first: it could have new children otherwise.
        _signal(parent, signal.SIGSTOP)
        self._frozen = [parent, *map(int, Path(f"/proc/{parent}/task/{parent}/children").read_text().split())]
        for pid in self._frozen:
            _signal(pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Undo `freeze`."""
        for pid in self._frozen:
            _signal(pid, signal.SIGCONT)
        self._frozen = []

    async def heal(self) -> None:
        """Thaw and start if need be."""
        self.thaw()
        await self.start()


def _signal(pid: int, number: signal.Signals) -> None:
    # A session may have ended meanwhile.
    with suppress(ProcessLookupError):
        os.kill(pid, number)


async def _in_thread(work: Callable[[], T]) -> T:
    return await asyncio.get_running_loop().run_in_executor(starter, work)
