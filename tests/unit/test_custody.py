"""What a consumer knows of its partitions: stops that outlive it, and the way to a record that kills."""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Collection, Mapping
from contextlib import AbstractAsyncContextManager

import pytest

from adapters.memory import MemoryPartitionStates
from adapters.memory.states import StateTable
from application.custody import Custody
from application.ports import Superseded
from application.storm import StormLimits, Storms
from domain.errors import Unavailable
from domain.stop import Stop, StopKind
from tests.support.events import a_record

SPAN = 10
STORM = Stop(StopKind.STORM, 7, "100 dead letters in a row")


class Consumers:
    """Consumers of one group, one after the other, which die without a word unless they end."""

    def __init__(self) -> None:
        self.table: StateTable = {}
        self._never_put_down: list[AbstractAsyncContextManager[bool]] = []
        self.last = self.start()

    def start(self) -> Custody:
        """A consumer that has begun nothing yet."""
        self.states = MemoryPartitionStates("events", "group", self.table)
        storms = Storms(StormLimits(in_a_row=2), lambda: 0.0)
        self.last = Custody(self.states, storms, span=SPAN)
        return self.last

    async def begin(self, positions: Mapping[int, int], *, times: int = 1, is_idle: bool = False) -> Custody:
        """That many begin there, with records in flight unless idle; all but the last have died. Answer the last."""
        for _ in range(times):
            await self.start().begin(positions)
            if not is_idle:
                await self.last.attempt(positions.keys())
        return self.last

    async def die_with(self, offset: int, *, times: int = 1) -> None:
        """That many begin at a record and die with it alone in hand."""
        for _ in range(times):
            custody = await self.begin({0: offset})
            self._never_put_down.append(custody.in_hand(a_record(b"", offset=offset)))
            await self._never_put_down[-1].__aenter__()

    async def is_tried(self, offset: int) -> bool:
        """Tell whether a consumer that begins at a record would try it."""
        custody = await self.begin({0: offset})
        async with custody.in_hand(a_record(b"", offset=offset)) as is_tried:
            return is_tried

    def suspects(self, partition: int = 0, offsets: Collection[int] = range(30)) -> list[int]:
        """Tell which records the last consumer would take alone."""
        return [offset for offset in offsets if self.last.is_suspect(a_record(b"", partition=partition, offset=offset))]


@pytest.fixture
def consumers() -> Consumers:
    """Nobody has consumed anything yet."""
    return Consumers()


async def test_two_deaths_at_a_position_are_no_suspicion(consumers: Consumers) -> None:
    """The hot path stays as it is."""
    custody = await consumers.begin({0: 5}, times=2)
    assert not custody.is_suspicious
    assert consumers.suspects() == []


async def test_from_the_third_attempt_on_records_are_suspect_as_far_as_a_batch_reached(
    consumers: Consumers, caplog: pytest.LogCaptureFixture
) -> None:
    """No further, whatever the dead had read; and of this partition alone."""
    await consumers.begin({0: 5}, times=2)
    custody = await consumers.begin({0: 5, 1: 5})
    assert custody.is_suspicious
    assert consumers.suspects(partition=1) == []
    assert consumers.suspects(offsets=range(5, 30)) == list(range(5, 5 + SPAN))
    assert not custody.is_suspicious
    assert [record.levelno for record in caplog.records] == [logging.WARNING]


async def test_position_that_moves_ends_the_suspicion(consumers: Consumers) -> None:
    """However often consumers are killed: deploys by kill -9 under load quarantine nothing."""
    for position in range(20):
        assert not (await consumers.begin({0: position}, times=2)).is_suspicious


async def test_idle_deaths_are_no_attempts(consumers: Consumers) -> None:
    """However often an idle consumer is killed; nor do they hide attempts that were."""
    assert not (await consumers.begin({0: 5}, times=9, is_idle=True)).is_suspicious
    await consumers.begin({0: 5}, times=2)
    assert (await consumers.begin({0: 5}, times=2, is_idle=True)).is_suspicious


async def test_attempt_is_counted_once(consumers: Consumers) -> None:
    """Also where batches are begun side by side: one consumer dies once."""
    custody = await consumers.begin({0: 5, 1: 5}, is_idle=True)
    await asyncio.gather(*(custody.attempt(partitions) for partitions in ({0}, {0, 1}, {1}, {0, 1})))
    assert custody.has_attempted({0, 1})
    await custody.attempt({0, 1})
    assert not (await consumers.begin({0: 5, 1: 5}, is_idle=True)).is_suspicious


async def test_attempt_that_could_not_be_counted_is_counted_later(consumers: Consumers) -> None:
    """Before its record is tried."""
    custody = await consumers.begin({0: 5}, is_idle=True)
    consumers.states.outage = Unavailable("database: down")
    with pytest.raises(Unavailable):
        await custody.attempt({0})
    assert not custody.has_attempted({0})
    consumers.states.outage = None
    await custody.attempt({0})
    assert (await consumers.begin({0: 5}, times=2)).is_suspicious


async def test_partition_that_is_trusted_is_no_longer_suspected(
    consumers: Consumers, caplog: pytest.LogCaptureFixture
) -> None:
    """That is told, once; the others stay suspected."""
    caplog.set_level(logging.INFO)
    custody = await consumers.begin({0: 5, 1: 5}, times=3)
    assert custody.suspected == {0: 5 + SPAN, 1: 5 + SPAN}
    for _ in range(2):
        custody.trust([0, 7])
    assert custody.suspected == {1: 5 + SPAN}
    assert [record.getMessage() for record in caplog.records][2:] == ["reading in batches again"]


async def test_good_ends_are_no_attempts(consumers: Consumers) -> None:
    """Neither where the partition is given up nor where the process ends although it hangs."""
    for _ in range(5):
        custody = await consumers.begin({0: 5})
        assert not custody.is_suspicious
        await custody.end([0])
        custody = await consumers.begin({0: 5})
        await custody.leave()
    assert not (await consumers.begin({0: 5}, times=2)).is_suspicious


async def test_partition_is_ended_once(consumers: Consumers) -> None:
    """A second word about the same end takes back no attempt of those who died."""
    custody = await consumers.begin({0: 5}, times=3)
    await custody.leave()
    await custody.end([0])
    await custody.end([0])
    assert (await consumers.begin({0: 5})).is_suspicious


async def test_end_that_cannot_be_noted_is_told_and_no_failure(
    consumers: Consumers, caplog: pytest.LogCaptureFixture
) -> None:
    """Whoever gives partitions up has no time for an outage; the partitions are forgotten all the same."""
    custody = await consumers.begin({0: 5}, times=3)
    await custody.stop(0, STORM)
    consumers.states.outage = Unavailable("database: down")
    await custody.end([0])
    assert (custody.stopped, custody.is_suspicious) == ({}, False)
    assert "could not note a good end" in caplog.messages


@pytest.mark.parametrize(("deaths", "is_tried"), [(0, True), (1, True), (2, True), (3, False), (4, False)])
async def test_record_is_tried_until_three_died_with_it_alone(
    consumers: Consumers, deaths: int, is_tried: bool
) -> None:
    """Not before: a death may have another cause."""
    await consumers.die_with(5, times=deaths)
    assert await consumers.is_tried(5) is is_tried


async def test_record_that_did_no_harm_is_no_longer_suspected(consumers: Consumers) -> None:
    """Even where the world could not take it: it was tried, and the consumer lives."""
    await consumers.die_with(5, times=2)
    custody = await consumers.begin({0: 5})
    with pytest.raises(Unavailable):
        async with custody.in_hand(a_record(b"", offset=5)):
            raise Unavailable("down")
    await consumers.die_with(5, times=2)
    assert await consumers.is_tried(5)


async def test_condemned_record_stays_so_until_it_is_parked(consumers: Consumers) -> None:
    """While the dead letters are down it would otherwise kill again."""
    await consumers.die_with(5, times=3)
    for _ in range(3):
        assert not await consumers.is_tried(5)


async def test_record_in_hand_when_its_partition_ends_dies_no_death(consumers: Consumers) -> None:
    """As where a rebalance did not wait any longer."""
    await consumers.die_with(5, times=2)
    custody = await consumers.begin({0: 5})
    async with custody.in_hand(a_record(b"", offset=5)):
        await custody.end([0])
        assert await consumers.is_tried(5)


async def test_sleeper_takes_nothing_in_hand(consumers: Consumers) -> None:
    """Another consumer has the partition by now."""
    sleeper = await consumers.begin({0: 5})
    await consumers.begin({0: 5})
    with pytest.raises(Superseded):
        async with sleeper.in_hand(a_record(b"", offset=5)):
            pytest.fail("it must not get there")


async def test_stop_outlives_the_consumer_until_it_is_resumed(consumers: Consumers) -> None:
    """Whoever has the partition next keeps from it, and hears of a resume."""
    custody = await consumers.begin({0: 5, 1: 5})
    await custody.stop(0, STORM)
    custody = await consumers.begin({0: 7, 1: 7})
    assert custody.stopped == {0: STORM}
    assert await custody.resumed({}) == set()
    await MemoryPartitionStates("events", "group", consumers.table).resume()
    assert await custody.resumed({}) == {0}
    assert custody.stopped == {}
    assert (await consumers.begin({0: 7})).stopped == {}


async def test_stop_goes_with_its_partition(consumers: Consumers) -> None:
    """It is the next owner's business."""
    custody = await consumers.begin({0: 5, 1: 5})
    await custody.stop(0, STORM)
    await custody.end([0])
    assert custody.stopped == {}


async def test_stop_is_told_once(consumers: Consumers, caplog: pytest.LogCaptureFixture) -> None:
    """Though it may be kept again, after an outage that left open whether it stands."""
    custody = await consumers.begin({0: 5})
    for _ in range(3):
        await custody.stop(0, STORM)
    (line,) = [record for record in caplog.records if record.getMessage() == "partition stopped"]
    told = defaultdict(lambda: None, vars(line))
    assert (told["partition"], told["kind"], told["offset"], told["reason"]) == (0, *STORM)


async def test_stop_that_the_source_found_waits_for_a_person_as_well(consumers: Consumers) -> None:
    """It is kept for `resume` to list, and its resume is remembered when it is found again."""
    gap = Stop(StopKind.GAP, 5, "3 records expired")
    custody = await consumers.begin({0: 5})
    assert await custody.resumed({0: gap}) == set()
    operator = MemoryPartitionStates("events", "group", consumers.table)
    assert await operator.resume([0]) == {0: gap}
    assert await custody.resumed({0: gap}) == {0}
    successor = await consumers.begin({0: 5})
    assert await successor.resumed({0: gap}) == {0}
