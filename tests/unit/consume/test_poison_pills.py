"""Finding a poison pill: attempts and crashes are counted where they outlive a consumer."""

import logging
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager

import pytest

from adapters.memory import MemoryPartitionStates
from adapters.memory.partition_states import StateTable
from application.consume.poison_pills import Claimed, PoisonPills
from application.ports import Halt, HaltKind, StaleGeneration
from domain.errors import Unavailable, WrongDeployment
from tests.support.events import a_record
from tests.support.time import LoopTime

REACH = 10
TRUSTED, SUSPECT = Claimed(None, None), Claimed(None, 5 + REACH)
"""How a partition at offset 5 may be claimed."""


class Consumers:
    """Consumers of one group, one after the other; each crashes unless it releases its partitions."""

    def __init__(self) -> None:
        self.table: StateTable = {}
        self._never_ended: list[AbstractAsyncContextManager[bool]] = []
        self.last = self.start()

    def start(self) -> PoisonPills:
        """Start a consumer that owns nothing yet."""
        self.states = MemoryPartitionStates("events", "group", self.table)
        self.last = PoisonPills(self.states, reach=REACH)
        return self.last

    async def claim(self, positions: Mapping[int, int]) -> Mapping[int, Claimed]:
        """Start a consumer that claims partitions and has nothing in flight."""
        return await self.start().claim(positions)

    async def crash_at(self, positions: Mapping[int, int], *, times: int = 2) -> None:
        """That many consumers crash with records in flight of partitions that they claimed there."""
        for _ in range(times):
            await self.claim(positions)
            for partition in positions:
                await self.last.count_attempt(partition)

    async def crash_with(self, offset: int, *, times: int = 1) -> None:
        """That many consumers crash with a record alone in flight."""
        for _ in range(times):
            await self.crash_at({0: offset}, times=1)
            self._never_ended.append(self.last.alone(a_record(b"", offset=offset)))
            await self._never_ended[-1].__aenter__()

    async def may_be_tried(self, offset: int) -> bool:
        """Return whether a new consumer would try a record."""
        await self.claim({0: offset})
        async with self.last.alone(a_record(b"", offset=offset)) as may_be_tried:
            return may_be_tried


@pytest.fixture
def consumers() -> Consumers:
    """Nobody has consumed anything yet."""
    return Consumers()


async def test_partition_is_trusted_after_one_crash(consumers: Consumers) -> None:
    """The hot path stays as it is."""
    await consumers.crash_at({0: 5}, times=1)
    assert await consumers.claim({0: 5}) == {0: TRUSTED}


async def test_two_crashes_at_a_position_make_its_records_suspect(
    consumers: Consumers, caplog: pytest.LogCaptureFixture
) -> None:
    """As far as the dead may have had records in flight, and of this partition alone."""
    await consumers.crash_at({0: 5})
    assert await consumers.claim({0: 5, 1: 5}) == {0: SUSPECT, 1: TRUSTED}
    assert [record.levelno for record in caplog.records] == [logging.WARNING]


async def test_position_that_moves_ends_the_suspicion(consumers: Consumers) -> None:
    """However often consumers are killed: deploys by kill -9 under load quarantine nothing."""
    for position in range(20):
        await consumers.crash_at({0: position})
        assert await consumers.claim({0: position + 1}) == {0: TRUSTED}


async def test_idle_crashes_are_no_attempts(consumers: Consumers) -> None:
    """However often an idle consumer is killed; nor do they hide attempts that were."""
    for _ in range(9):
        assert await consumers.claim({0: 5}) == {0: TRUSTED}
    await consumers.crash_at({0: 5})
    for _ in range(2):
        assert await consumers.claim({0: 5}) == {0: SUSPECT}


async def test_attempt_is_counted_once_a_claim(consumers: Consumers) -> None:
    """However many batches there are: one consumer crashes once."""
    await consumers.claim({0: 5, 1: 5})
    for partition in (0, 1, 0, 1):
        await consumers.last.count_attempt(partition)
    assert await consumers.claim({0: 5, 1: 5}) == {0: TRUSTED, 1: TRUSTED}


async def test_partition_claimed_again_has_its_attempt_counted_anew(consumers: Consumers) -> None:
    """A rebalance may end with the same member as the owner."""
    await consumers.crash_at({0: 5}, times=1)
    pills = consumers.last
    pills.forget([0])
    assert await pills.claim({0: 5}) == {0: TRUSTED}
    await pills.count_attempt(0)
    assert await consumers.claim({0: 5}) == {0: SUSPECT}


async def test_attempt_that_could_not_be_counted_is_counted_later(consumers: Consumers) -> None:
    """Before its record is tried."""
    await consumers.claim({0: 5})
    consumers.states.outage = Unavailable("database: down")
    with pytest.raises(Unavailable):
        await consumers.last.count_attempt(0)
    consumers.states.outage = None
    await consumers.last.count_attempt(0)
    await consumers.crash_at({0: 5}, times=1)
    assert await consumers.claim({0: 5}) == {0: SUSPECT}


async def test_attempts_are_taken_back_by_a_release(consumers: Consumers) -> None:
    """Both where partitions are revoked and where the process ends although it hangs."""
    for _ in range(5):
        assert await consumers.claim({0: 5}) == {0: TRUSTED}
        await consumers.last.count_attempt(0)
        await consumers.last.release(consumers.last.forget([0, 7]))


async def test_partition_without_an_attempt_has_nothing_to_release(consumers: Consumers) -> None:
    """It was idle: the attempts of those who crashed stay counted, and no outage matters."""
    await consumers.crash_at({0: 5})
    await consumers.claim({0: 5})
    assert consumers.last.forget([0]) == {}
    consumers.states.outage = ZeroDivisionError()
    await consumers.last.release({})
    assert await consumers.claim({0: 5}) == {0: SUSPECT}


async def test_attempt_is_released_once(consumers: Consumers) -> None:
    """A second release of the same end takes back no attempt of those who crashed."""
    await consumers.crash_at({0: 5}, times=3)
    for _ in range(3):
        await consumers.last.release(consumers.last.forget([0]))
    assert await consumers.claim({0: 5}) == {0: SUSPECT}


@pytest.mark.parametrize("outage", [Unavailable("down"), WrongDeployment("no table")], ids=repr)
async def test_failed_release_is_logged_and_never_raised(
    consumers: Consumers, caplog: pytest.LogCaptureFixture, outage: Exception
) -> None:
    """A rebalance has no time for an outage."""
    await consumers.crash_at({0: 5}, times=1)
    consumers.states.outage = outage
    await consumers.last.release(consumers.last.forget([0]))
    assert caplog.messages == ["could not record the clean release of partitions"]
    assert consumers.last.forget([0]) == {}


async def test_release_that_hangs_is_given_up(
    consumers: Consumers, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A database that does not answer delays no rebalance."""
    time = LoopTime(monkeypatch)
    await consumers.crash_at({0: 5}, times=1)

    async def hang(_: object) -> None:
        await time.passes(60)

    monkeypatch.setattr(consumers.states, "end", hang)
    await consumers.last.release(consumers.last.forget([0]))
    assert caplog.messages == ["could not record the clean release of partitions"]


@pytest.mark.parametrize(("crashes", "may_be_tried"), [(0, True), (1, True), (2, True), (3, False), (4, False)])
async def test_record_is_tried_until_three_crashes_with_it_alone(
    consumers: Consumers, crashes: int, *, may_be_tried: bool
) -> None:
    """A single crash may have another cause."""
    await consumers.crash_with(5, times=crashes)
    assert await consumers.may_be_tried(5) is may_be_tried


async def test_record_that_did_no_harm_starts_from_zero(consumers: Consumers) -> None:
    """Even where a dependency could not take it: it was tried, and the consumer lives."""
    await consumers.crash_with(5, times=2)
    await consumers.claim({0: 5})
    with pytest.raises(Unavailable):
        async with consumers.last.alone(a_record(b"", offset=5)):
            raise Unavailable("down")
    await consumers.crash_with(5, times=2)
    assert await consumers.may_be_tried(5)


async def test_another_record_in_the_marker_starts_from_zero(consumers: Consumers) -> None:
    """Crashes with one record say nothing of the next."""
    await consumers.crash_with(5, times=2)
    await consumers.crash_with(6, times=2)
    assert await consumers.may_be_tried(6)


async def test_condemned_record_stays_condemned_at_its_position(consumers: Consumers) -> None:
    """While the dead-letter queue is down, the poison pill would otherwise end the process again."""
    await consumers.crash_with(5, times=3)
    for _ in range(3):
        assert not await consumers.may_be_tried(5)


async def test_outage_behind_a_record_is_no_failure_of_it(consumers: Consumers) -> None:
    """It was tried, whether or not it can be taken out of the marker."""
    await consumers.claim({0: 5})
    async with consumers.last.alone(a_record(b"", offset=5)):
        consumers.states.outage = Unavailable("database: down")


async def test_outage_before_a_record_keeps_it_from_being_tried(consumers: Consumers) -> None:
    """A crash with it in flight would not be counted."""
    await consumers.claim({0: 5})
    consumers.states.outage = Unavailable("database: down")
    with pytest.raises(Unavailable):
        async with consumers.last.alone(a_record(b"", offset=5)):
            pytest.fail("it must not get there")


async def test_record_in_flight_at_a_release_counts_no_crash(consumers: Consumers) -> None:
    """As where a rebalance did not wait any longer."""
    await consumers.crash_with(5, times=2)
    await consumers.crash_at({0: 5}, times=1)
    async with consumers.last.alone(a_record(b"", offset=5)):
        await consumers.last.release(consumers.last.forget([0]))
        assert await consumers.may_be_tried(5)


async def test_stale_owner_tries_no_suspect_record(consumers: Consumers) -> None:
    """Another consumer has claimed the partition by now."""
    await consumers.claim({0: 5})
    sleeper = consumers.last
    await consumers.claim({0: 5})
    with pytest.raises(StaleGeneration):
        async with sleeper.alone(a_record(b"", offset=5)):
            pytest.fail("it must not get there")


async def test_claim_returns_the_halt_of_an_earlier_owner(consumers: Consumers) -> None:
    """Until a person resumes it."""
    halt = Halt(HaltKind.DLQ_LIMIT, 7, "100 dead letters in a row")
    await consumers.claim({0: 5, 1: 5})
    await consumers.states.halt(0, halt)
    assert await consumers.claim({0: 7, 1: 7}) == {0: Claimed(halt, None), 1: TRUSTED}
    await consumers.states.resume()
    assert await consumers.claim({0: 7, 1: 7}) == {0: TRUSTED, 1: TRUSTED}


async def test_claim_in_an_outage_can_be_repeated(consumers: Consumers) -> None:
    """Nothing is owned before it succeeds."""
    await consumers.crash_at({0: 5})
    pills = consumers.start()
    consumers.states.outage = Unavailable("database: down")
    with pytest.raises(Unavailable):
        await pills.claim({0: 5})
    consumers.states.outage = None
    assert await pills.claim({0: 5}) == {0: SUSPECT}
