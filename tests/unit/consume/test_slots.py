"""How many batches are in flight at once: a few, or a suspect record and nothing else."""

import asyncio
from contextlib import AbstractAsyncContextManager, suppress
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from application.consume.pace import Slots
from tests.support.consumer_world import settled

COUNT = 3


class Holders:
    """Tasks that keep slots until they must end."""

    def __init__(self) -> None:
        self.inside: list[str] = []
        self._slots = Slots(COUNT)
        self._ends: dict[str, asyncio.Event] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    async def enter(self, *names: str) -> None:
        """Have tasks begin to wait for a slot each, one after the other."""
        for name in names:
            await self._enter(name, self._slots.one)

    async def enter_alone(self, *names: str) -> None:
        """Have tasks begin to wait for all slots, one after the other."""
        for name in names:
            await self._enter(name, self._slots.all())

    async def end(self, *names: str) -> None:
        """Let tasks release their slots."""
        for name in names:
            self._ends[name].set()
        await settled()

    async def cancel(self, name: str) -> None:
        """Cancel a task, whether it waits or has slots."""
        self._tasks[name].cancel()
        await settled()

    async def _enter(self, name: str, slots: AbstractAsyncContextManager[None]) -> None:
        self._ends[name] = asyncio.Event()
        self._tasks[name] = asyncio.create_task(self._hold(name, slots))
        await settled()

    async def _hold(self, name: str, slots: AbstractAsyncContextManager[None]) -> None:
        async with slots:
            self.inside.append(name)
            try:
                await self._ends[name].wait()
            finally:
                self.inside.remove(name)


@pytest.fixture
async def holders() -> Holders:
    """Nothing is in flight."""
    return Holders()


async def test_no_more_than_all_slots_are_taken(holders: Holders) -> None:
    """Those who wait take turns."""
    await holders.enter("a", "b", "c", "d", "e")
    assert holders.inside == ["a", "b", "c"]
    await holders.end("b")
    assert holders.inside == ["a", "c", "d"]
    await holders.end("a", "c")
    assert holders.inside == ["d", "e"]


async def test_suspect_waits_until_nothing_else_is_in_flight(holders: Holders) -> None:
    """Though some slots are free."""
    await holders.enter("a", "b")
    await holders.enter_alone("suspect")
    await holders.end("a")
    assert holders.inside == ["b"]
    await holders.end("b")
    assert holders.inside == ["suspect"]


async def test_nothing_else_begins_beside_a_suspect(holders: Holders) -> None:
    """Until it is done with."""
    await holders.enter_alone("suspect")
    await holders.enter("a", "b")
    assert holders.inside == ["suspect"]
    await holders.end("suspect")
    assert holders.inside == ["a", "b"]


async def test_suspect_is_not_starved_by_other_batches(holders: Holders) -> None:
    """Though each of four others waits again as soon as it has ended."""
    await holders.enter("a", "b", "c", "d")
    await holders.enter_alone("suspect")
    for _ in range(4 * COUNT):
        if "suspect" not in holders.inside:
            name = holders.inside[0]
            await holders.end(name)
            await holders.enter(name)
    assert holders.inside == ["suspect"]


async def test_two_suspects_do_not_deadlock(holders: Holders) -> None:
    """Neither has a few slots that the other waits for."""
    await holders.enter("a", "b", "c")
    await holders.enter_alone("first", "second")
    await holders.end("a", "b", "c")
    assert holders.inside == ["first"]
    await holders.end("first")
    assert holders.inside == ["second"]


@pytest.mark.parametrize("is_alone", [False, True])
async def test_failure_inside_gives_the_slots_back(*, is_alone: bool) -> None:
    """All of them."""
    slots = Slots(COUNT)
    with suppress(ZeroDivisionError):
        async with slots.all() if is_alone else slots.one:
            raise ZeroDivisionError
    async with asyncio.timeout(1), slots.all():
        pass


async def test_cancelled_suspect_releases_its_slots(holders: Holders) -> None:
    """Whether it still waited for some slots, for the other suspect, or had them all."""
    await holders.enter("a")
    await holders.enter_alone("first", "second")
    await holders.cancel("second")
    await holders.cancel("first")
    await holders.enter("b", "c", "d")
    assert holders.inside == ["a", "b", "c"]
    await holders.end("a", "b", "c", "d")
    await holders.enter_alone("third")
    await holders.cancel("third")
    await holders.enter_alone("fourth")
    assert holders.inside == ["fourth"]


async def test_cancelled_waiter_takes_no_slot_along(holders: Holders) -> None:
    """Also where it is cancelled in the moment in which it would get one."""
    await holders.enter("a", "b", "c", "d", "e")
    await holders.cancel("d")
    await holders.end("a")
    assert holders.inside == ["b", "c", "e"]


@given(st.integers(0, 2**32), st.lists(st.booleans(), min_size=2, max_size=12))
async def test_every_mix_of_waiters_ends_with_free_slots(seed: int, are_alone: list[bool]) -> None:
    """Some cancelled at any moment; and at no time is too much in flight."""
    # Not Hypothesis' own generator, which raises in whatever task asks it for too much.
    random = Random(seed)
    slots, inside = Slots(COUNT), list[bool]()

    async def hold(is_alone: bool) -> None:
        async with slots.all() if is_alone else slots.one:
            inside.append(is_alone)
            assert len(inside) <= (1 if True in inside else COUNT)
            try:
                for _ in range(random.randint(0, 5)):
                    await asyncio.sleep(0)
            finally:
                inside.remove(is_alone)

    async with asyncio.timeout(10):
        tasks = [asyncio.create_task(hold(is_alone)) for is_alone in are_alone]
        for task in tasks:
            for _ in range(random.randint(0, 3)):
                await asyncio.sleep(0)
            if random.random() < 0.3:
                task.cancel()
        ends = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(end is None or isinstance(end, asyncio.CancelledError) for end in ends)
        async with slots.all():
            pass
