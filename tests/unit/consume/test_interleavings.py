"""Whatever fails, however slowly and in whatever order: nothing is committed before it is durable, or lost."""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from random import Random
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from adapters.memory import MemorySource
from application.consume.pace import Backoff, Pace
from application.ports import Delivery, Outcome, StaleGeneration
from domain.dead_letter import DeadLetter
from domain.errors import Unavailable
from tests.support.consumer_world import ConsumerWorld
from tests.support.listeners import Witness
from tests.support.waiting import PATIENCE

PARTITIONS = 3
PACE = Pace(batch_size=6, poll_wait=0.001, backoff=Backoff(0.0005, 0.001), look=0.001)


class Chaos:
    """Lets steps take some turns of the event loop, and fail now and then, until it is over."""

    def __init__(self, random: Random) -> None:
        self.is_over = False
        self._random = random
        self._failures: dict[str, float] = {}
        """How often a step fails."""

    async def strike(self, step: str) -> None:
        """Delay a step, and perhaps have it fail."""
        if self.is_over:
            return
        for _ in range(self._random.choice((0, 0, 1, 5, 30))):
            await asyncio.sleep(0)
        if self._random.random() < self._failures.setdefault(step, self._random.choice((0, 0.1, 0.6))):
            raise Unavailable(step)

    def around(
        self,
        owner: object,
        step: str,
        check: Callable[..., None] | None = None,
        generation: Callable[[], object] = lambda: None,
    ) -> None:
        """Strike before a method; with a `check` of its arguments also behind it: its answer may get lost.

        A call that is delayed beyond its `generation` is fenced.
        """
        method = getattr(owner, step)

        async def struck(*arguments: Any, **options: Any) -> Any:
            before = generation()
            await self.strike(step)
            if generation() != before:
                raise StaleGeneration
            answer = await method(*arguments, **options)
            if check is not None:
                check(*arguments)
                await self.strike(f"answer of {step}")
            return answer

        setattr(owner, step, struck)


class Promises:
    """What is stored, and what was done that should not have been."""

    def __init__(self) -> None:
        self.broken: list[str] = []
        self._standing: set[tuple[int, int]] = set()
        self._awaited: dict[int, list[int]] = {partition: [] for partition in range(PARTITIONS)}
        """The offsets of events that are not stored yet, by partition."""
        self._committed = [0] * PARTITIONS

    def append(self, partition: int, offsets: Iterable[int]) -> None:
        """Note the places of new events in the log."""
        self._awaited[partition] += offsets

    def store(self, deliveries: Sequence[Delivery]) -> None:
        """Note what is stored now: of a partition in the log's order, for the first time."""
        self.keep(deliveries)
        for partition, awaited in self._awaited.items():
            left = [offset for offset in awaited if (partition, offset) not in self._standing]
            if left != awaited[len(awaited) - len(left) :]:
                self.broken.append(f"{partition}: {left} are left of {awaited}")
            self._awaited[partition] = left

    def keep(self, durable: Sequence[Delivery] | Sequence[DeadLetter]) -> None:
        """Note what will not get lost any more."""
        self._standing |= {(each.record.partition, each.record.offset) for each in durable}

    def commit(self, ends: Mapping[int, int]) -> None:
        """Note what was committed."""
        for partition, end in ends.items():
            if missing := [offset for offset in range(end) if (partition, offset) not in self._standing]:
                self.broken.append(f"{partition}: committed to {end} without {missing}")
            if end < self._committed[partition]:
                self.broken.append(f"{partition}: committed from {self._committed[partition]} back to {end}")
            self._committed[partition] = end


@given(st.integers(0, 2**32))
def test_everything_is_stored_in_order_and_committed_behind_it(seed: int) -> None:
    """With DLQ limits, suspects, rebalances, and failures of every port."""
    asyncio.run(play(Random(seed)))


async def play(random: Random) -> None:
    """Have a consumer work through what comes while everything goes wrong, and then to the end."""
    world, chaos, promises = ConsumerWorld(PACE), Chaos(random), Promises()
    chaos.around(world.source, "poll")
    chaos.around(world.source, "commit", promises.commit, lambda: dict(world.consumer.partitions.workers))
    add = world.store.add

    async def add_somehow(deliveries: Sequence[Delivery]) -> Sequence[Outcome]:
        await chaos.strike("write")
        outcomes = await add(deliveries)
        promises.store(deliveries)
        await chaos.strike("answer of add")
        return outcomes

    world.store.add = add_somehow  # type: ignore[method-assign,assignment]  # as a store that fails would
    chaos.around(world.letters, "send", promises.keep)
    for step in ("begin", "attempt", "halt", "mark", "unmark"):
        chaos.around(world.states, step)
    await world.crash_before(0, times=random.choice((0, 2)))
    appended = [0] * PARTITIONS
    events = set()
    async with world.running():
        for _ in range(random.randrange(5, 40)):
            if random.random() < 0.1:
                await share(world, random)
                continue
            partition, count = random.randrange(PARTITIONS), random.choice((1, 4, 25))
            kind = random.random()
            if kind < 0.2:
                world.append_garbage(count, partition)
            elif kind < 0.3:
                world.append_unstorable(count, partition)
            else:
                promises.append(partition, range(appended[partition], appended[partition] + count))
                events |= {event.id for event in world.append(count, partition)}
            appended[partition] += count
            await turns(random)
        chaos.is_over = True
        async with asyncio.timeout(PATIENCE):
            while world.committed() != {partition: count for partition, count in enumerate(appended) if count}:
                await world.another().resume()
                await asyncio.sleep(0.001)
    assert promises.broken == []
    assert set(world.store.rows) == events


async def share(world: ConsumerWorld, random: Random) -> None:
    """Have another member come, and go without having done anything."""
    other = MemorySource(world.log, "events", "group")
    other.subscribe(Witness())
    await other.open()
    await turns(random)
    await other.close()


async def turns(random: Random) -> None:
    """Let the others go on for a while."""
    for _ in range(random.choice((0, 3, 30, 100))):
        await asyncio.sleep(0)
