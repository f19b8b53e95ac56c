"""The stage of one scenario: servers behind proxies, processes of the service, clients, and the proof at the end."""

import asyncio
from collections.abc import Iterable, Mapping
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from adapters.postgres.partition_states import PostgresPartitionStates
from adapters.postgres.sessions.engine import create_engine
from application.ports import Halt
from tests.faults.blocks import Blocks, blocks
from tests.faults.evidence import (
    Evidence,
    Exit,
    Footprint,
    read_commits,
    read_dead_letters,
    read_oversize,
    read_rows,
)
from tests.faults.history import History
from tests.faults.http_load import HttpLoad
from tests.faults.invariants import PROMISES, RECOVERY_SECONDS, check
from tests.faults.kafka_load import KafkaLoad
from tests.faults.load import HasHistory, Load
from tests.faults.network import BrokerProxies
from tests.faults.results import Figures
from tests.faults.servers import KafkaNodes, PostgresProcesses
from tests.support.proxy import Proxy
from tests.support.service import PORTS, Kind, Service
from tests.support.world import World

_SESSIONS = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'user-events%' AND datname = $1"
_KIB = 1024
_PARTITIONS = 4
"""As many as the service makes, unless a scenario has made the topic."""
_CATCH_UP_SECONDS = 90.0
_LOOK_SECONDS = 0.3


@dataclass(frozen=True)
class Stage(World):
    """A world whose service goes through proxies; what the tests ask themselves goes past them."""

    kafka: KafkaNodes = field(kw_only=True)
    postgres: PostgresProcesses = field(kw_only=True)
    brokers: BrokerProxies = field(kw_only=True)
    db: Proxy = field(kw_only=True)
    seed: str = field(kw_only=True)
    events: int = field(kw_only=True)
    """How many events a scenario has acknowledged at least."""
    figures: Figures = field(kw_only=True)
    _healing: list[asyncio.Task[float | None]] = field(default_factory=list)
    _exits: list[Exit] = field(default_factory=list)

    async def start(self, kind: Kind, **environment: str) -> Service:
        """Start a process behind the proxies; its port is free or given."""
        if not self.services.started:
            # The brokers stamp each record when they append it; a topic that the service makes has the client's time.
            await self.topics.make(self.topic, partitions=_PARTITIONS)
        proxies = {"KAFKA_BROKER": self.brokers.bootstrap, "DB_PORT": str(self.db.port)}
        return await super().start(kind, **proxies | environment)

    async def run_both(self, **environment: str) -> tuple[Service, Service]:
        """Start an api and a consumer and wait until both are ready."""
        api, consumer = await asyncio.gather(self.run("api", **environment), self.run("consumer", **environment))
        return api, consumer

    async def run_again(self, ended: Service, **environment: str) -> Service:
        """Start a process like one that has ended, at its port, and wait until it is ready."""
        return await self.run(ended.kind, **{PORTS[ended.kind]: str(ended.port)}, **environment)

    async def terminate(self, *services: Service) -> None:
        """Ask processes to end and wait until they have; how they did is looked at with promise G."""
        self._exits.extend(await asyncio.gather(*(_end(each) for each in services)))

    def http_load(self, api: Service, *, most: int | None = None) -> HttpLoad:
        """Make clients of an api; `async with` runs them."""
        return HttpLoad(self.seed, api.port, most=most)

    def kafka_load(self, *, most: int | None = None) -> KafkaLoad:
        """Make clients that append to the topic themselves; `async with` runs them."""
        return KafkaLoad(self.seed, self.topics.bootstrap, self.topic, most=most)

    def blocks(self) -> AbstractAsyncContextManager[Blocks]:
        """Make a client that appends whole batches to the topic; `async with` starts it."""
        return blocks(self.seed, self.topics.bootstrap, self.topic)

    def struck_in_flight(self, load: Load, what: str) -> None:
        """Note that a fault struck at this moment, when operations must be in flight."""
        self.struck(f"operations in flight: {what}", load.history.in_flight)

    def struck(self, what: str, count: float) -> None:
        """Note as evidence how often or how much the fault struck, which must not be 0."""
        assert count > 0, f"the fault did not strike: {what}"
        self.figures.faults[what] = count

    async def leader(self, partition: int = 0) -> int:
        """The node that leads a partition of the events' topic."""
        return await self.kafka.leader(self.topic, partition)

    async def flows(self, partition: int) -> None:
        """Return when everything is committed that is in a partition now."""
        async with asyncio.timeout(_CATCH_UP_SECONDS):
            await self._committed_up_to({partition: (await self.topics.ends(self.topic))[partition]})

    async def halts(self) -> Mapping[int, Halt]:
        """The partitions that wait for a person."""
        engine = create_engine(self.database, application_name="tests", pool_size=1)
        try:
            return await PostgresPartitionStates(engine, self.topic, self.group).halts()
        finally:
            await engine.dispose()

    async def coordinator(self) -> int:
        """The node that coordinates the group."""
        return await self.topics.coordinator(self.group)

    async def heal(self) -> None:
        """Undo every fault of servers and network, and begin to measure the recovery unless that has begun."""
        for proxy in (*self.brokers.values(), self.db):
            proxy.heal()
            if not proxy.is_accepting:
                await proxy.accept()
        await asyncio.gather(self.kafka.heal(), self.postgres.heal())
        self.healed()

    def healed(self) -> None:
        """Begin to measure the recovery, for a fault that needs no more healing."""
        self._healing.append(asyncio.create_task(self._recovery()))

    async def prove(self, *loads: HasHistory, promises: Iterable[str] = PROMISES) -> Evidence:
        """Heal what is not healed, end the processes, and check the promises against all that can be seen."""
        if not self._healing:
            await self.heal()
        recovery = await self._healing[-1]
        # What did not recover in time is not waited for again.
        patience = _CATCH_UP_SECONDS if recovery is not None else 0.0
        uncommitted = await self._uncommitted(patience) if "F" in promises else 0
        running = [each for each in self.services.started if each.exit_code is None]
        footprints = [_footprint(each) for each in running]
        ((sessions,),) = await self.query(_SESSIONS, self.database.name)
        unasked = [Exit(each.kind, each.exit_code, 0.0) for each in self.services.started if not each.end_was_wanted]
        await self.terminate(*running)
        seen = Evidence(
            history=_together(loads),
            records=await self.records(),
            rows=await read_rows(self),
            letters=await read_dead_letters(self),
            oversize=await read_oversize(self),
            commits=await read_commits(self.topics, self.group, self.topic),
            exits=[*self._exits, *(each for each in unasked if each.code is not None)],
            footprints=footprints,
            sessions=sessions,
            recovery_seconds=recovery,
            uncommitted=uncommitted,
        )
        self.figures.take(seen)
        check(seen, promises)
        return seen

    async def _recovery(self) -> float | None:
        """Measure how long it takes until everything in the topic now is committed; None if too long."""
        started = asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout(RECOVERY_SECONDS):
                await self._committed_up_to(await self.topics.ends(self.topic))
        except TimeoutError:
            return None
        return asyncio.get_running_loop().time() - started

    async def _uncommitted(self, patience: float) -> int:
        """Wait until everything in the topic is committed; return how much is not when that takes too long."""
        ends = await self.topics.ends(self.topic)
        with suppress(TimeoutError):
            async with asyncio.timeout(patience):
                await self._committed_up_to(ends)
        committed = await self.committed()
        return sum(max(0, end - committed.get(partition, 0)) for partition, end in ends.items())

    async def _committed_up_to(self, ends: Mapping[int, int]) -> None:
        while True:
            committed = await self.committed()
            if all(committed.get(partition, 0) >= end for partition, end in ends.items()):
                return
            await asyncio.sleep(_LOOK_SECONDS)


def _together(loads: Iterable[HasHistory]) -> History:
    """All clients' histories as one."""
    whole = History()
    for load in loads:
        whole.events |= load.history.events
        whole.acknowledged += load.history.acknowledged
        whole.attempts += load.history.attempts
        whole.repeats += load.history.repeats
    return whole


def _footprint(service: Service) -> Footprint:
    status = Path(f"/proc/{service.pid}/status").read_text().splitlines()
    (resident,) = (int(line.split()[1]) for line in status if line.startswith("VmRSS:"))
    targets = [str(entry.readlink()) for entry in Path(f"/proc/{service.pid}/fd").iterdir()]
    return Footprint(service.kind, resident / _KIB, sum(target.startswith("socket:") for target in targets))


async def _end(service: Service) -> Exit:
    started = asyncio.get_running_loop().time()
    code = await service.terminate()
    return Exit(service.kind, code, asyncio.get_running_loop().time() - started)
