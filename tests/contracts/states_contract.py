"""The contract of `PartitionStates`."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Protocol

import pytest

from application.ports import Halt, HaltKind, PartitionState, PartitionStates, StaleGeneration

HALT = Halt(HaltKind.DLQ_LIMIT, 7, "100 dead letters in a row")
_ODDS = timedelta(minutes=1)
"""By how much the clocks may differ."""


class StatesUnderTest(Protocol):
    """Where states are kept; empty at the start of each test."""

    def states(self, topic: str = "events", group: str = "group") -> PartitionStates:
        """Open the states of one topic in one group, as another process may at any time."""
        ...


async def attempt(states: PartitionStates, positions: Mapping[int, int]) -> Mapping[int, int]:
    """Begin and have something in flight; return how many attempts had been counted before."""
    begun = await states.begin(positions)
    await states.attempt(positions.keys())
    return {partition: state.attempts for partition, state in begun.items()}


async def died_with(states: PartitionStates, partition: int, offset: int) -> None:
    """Have a consumer begin and die with a record in flight, and the next one begin."""
    await attempt(states, {partition: offset})
    await states.mark(partition, offset)
    await states.begin({partition: offset})


class _StatesContract:
    @pytest.fixture
    def table(self) -> StatesUnderTest:
        """Overridden by subclasses."""
        raise NotImplementedError

    @pytest.fixture
    def states(self, table: StatesUnderTest) -> PartitionStates:
        """Those of one topic in one group."""
        return table.states()


class AttemptsContract(_StatesContract):
    """Subclasses override the fixture `table`."""

    async def test_attempts_at_a_position_are_counted_and_begin_anew_behind_it(self, states: PartitionStates) -> None:
        """A consumer that made progress was not killed by the record at that position."""
        counted = [(await attempt(states, {0: position}))[0] for position in (5, 5, 5, 6, 6, 5)]
        assert counted == [0, 1, 2, 0, 1, 0]

    async def test_beginning_without_anything_in_flight_is_no_attempt(self, states: PartitionStates) -> None:
        """An idle consumer that dies says nothing of the record that comes next."""
        await attempt(states, {0: 5})
        assert [(await states.begin({0: 5}))[0].attempts for _ in range(3)] == [1, 1, 1]

    async def test_each_partition_is_counted_by_itself(self, states: PartitionStates) -> None:
        """As many as a consumer was given are begun at once, and only those are answered."""
        await states.begin({0: 5, 1: 5, 2: 5})
        await states.attempt([0, 1])
        begun = await states.begin({3: 0, 2: 5, 1: 5, 0: 6})
        counted = {partition: state.attempts for partition, state in begun.items()}
        assert counted == {0: 0, 1: 1, 2: 0, 3: 0}
        await states.attempt([])
        assert await states.begin({}) == {}

    async def test_good_end_takes_back_its_own_attempt_and_no_other(self, states: PartitionStates) -> None:
        """The crashes before it keep counting."""
        for _ in range(2):
            await attempt(states, {0: 5, 1: 5})
        await states.end({0: 5})
        begun = await states.begin({0: 5, 1: 5})
        assert (begun[0].attempts, begun[1].attempts) == (1, 2)

    async def test_good_ends_alone_never_make_attempts_add_up(self, states: PartitionStates) -> None:
        """Nor does an end without a beginning give anything to take later."""
        await states.end({0: 5})
        for _ in range(3):
            assert await attempt(states, {0: 5}) == {0: 0}
            await states.end({0: 5})
            await states.end({0: 5})

    async def test_consumers_that_begin_at_once_have_one_owner_that_counts(self, table: StatesUnderTest) -> None:
        """In whatever order each names its partitions: only the last one's attempts count."""
        orders = [range(4), range(3, -1, -1)] * 10
        all_states = [table.states() for _ in orders]
        pairs = list(zip(all_states, orders, strict=True))
        await asyncio.gather(*(states.begin(dict.fromkeys(order, 5)) for states, order in pairs))
        await asyncio.gather(*(states.attempt(order) for states, order in pairs))
        begun = await table.states().begin(dict.fromkeys(range(4), 5))
        assert [begun[partition].attempts for partition in range(4)] == [1] * 4

    async def test_attempts_and_ends_at_once_add_up(self, table: StatesUnderTest) -> None:
        """As when partitions move among consumers: every end takes exactly one attempt back."""
        owner, orders = table.states(), [range(4), range(3, -1, -1)] * 5
        await owner.begin(dict.fromkeys(range(4), 5))
        for order in orders:
            await owner.attempt(order)
        ends = (table.states().end(dict.fromkeys(order, 5)) for order in orders)
        attempts = (owner.attempt(order) for order in orders)
        await asyncio.gather(*(each for pair in zip(attempts, ends, strict=True) for each in pair))
        begun = await table.states().begin(dict.fromkeys(range(4), 5))
        assert [begun[partition].attempts for partition in range(4)] == [10] * 4

    async def test_groups_and_topics_do_not_see_each_other(self, table: StatesUnderTest) -> None:
        """Neither attempts, nor crashes, nor halts."""
        others = [table.states("events", "other"), table.states("other", "group")]
        states = table.states()
        await died_with(states, 0, 5)
        await states.halt(0, HALT)
        for other in others:
            assert await other.begin({0: 5}) == {0: PartitionState(0, None)}
            assert await other.mark(0, 5) == 0
            assert (await other.halts(), await other.resume()) == ({}, {})
            await other.unmark(0)
            await other.end({0: 5})
        successor = table.states()
        assert await successor.begin({0: 5}) == {0: PartitionState(1, HALT)}
        assert await successor.mark(0, 5) == 1


class MarkerContract(_StatesContract):
    """Subclasses override the fixture `table`."""

    async def test_each_consumer_that_dies_with_the_record_in_flight_is_a_crash(self, states: PartitionStates) -> None:
        """Reported to the next owner."""
        crashes = []
        await states.begin({0: 5})
        for _ in range(3):
            crashes.append(await states.mark(0, 5))
            await states.begin({0: 5})
        assert [*crashes, await states.mark(0, 5)] == [0, 1, 2, 3]

    async def test_record_that_nobody_has_in_hand_dies_no_death(self, states: PartitionStates) -> None:
        """However many consumers end before they have come to it again."""
        await died_with(states, 0, 5)
        for _ in range(3):
            await states.begin({0: 5})
        assert await states.mark(0, 5) == 1

    async def test_record_that_is_taken_in_hand_twice_by_one_consumer_dies_no_death(
        self, states: PartitionStates
    ) -> None:
        """As after an outage, which leaves open whether the marker was written."""
        await states.begin({0: 5})
        assert [await states.mark(0, 5), await states.mark(0, 5)] == [0, 0]

    async def test_good_end_is_no_death_and_forgets_none(self, states: PartitionStates) -> None:
        """An end in order while a record is in flight says nothing of the record."""
        await died_with(states, 0, 5)
        await states.mark(0, 5)
        await states.end({0: 5})
        await states.begin({0: 5})
        assert await states.mark(0, 5) == 1

    async def test_record_that_did_no_harm_is_forgotten(self, states: PartitionStates) -> None:
        """Its crashes had another cause."""
        await died_with(states, 0, 5)
        await states.mark(0, 5)
        await states.unmark(0)
        await states.begin({0: 5})
        assert await states.mark(0, 5) == 0

    async def test_another_record_brings_no_deaths_along(self, states: PartitionStates) -> None:
        """Nor do they come back with the first one."""
        await died_with(states, 0, 5)
        assert await states.mark(0, 6) == 0
        assert await states.mark(0, 5) == 0

    async def test_each_partition_has_a_marker_of_its_own(self, states: PartitionStates) -> None:
        """What one died of is nothing to the others."""
        await states.begin({1: 5})
        await states.unmark(1)
        await died_with(states, 0, 5)
        assert (await states.mark(1, 5), await states.mark(0, 5)) == (0, 1)
        await states.unmark(1)
        await states.begin({0: 5, 1: 5})
        assert (await states.mark(1, 5), await states.mark(0, 5)) == (0, 2)


class SleeperContract(_StatesContract):
    """A consumer that was taken for dead and wakes up. Subclasses override the fixture `table`."""

    async def test_end_of_a_sleeper_takes_back_no_attempt_at_another_position(self, table: StatesUnderTest) -> None:
        """The new owner's attempt there keeps counting, should it die."""
        sleeper, owner = table.states(), table.states()
        await attempt(sleeper, {0: 5, 1: 5})
        await attempt(owner, {0: 5, 1: 7})
        await sleeper.end({0: 5, 1: 5})
        begun = await table.states().begin({0: 5, 1: 7})
        assert (begun[0].attempts, begun[1].attempts) == (1, 1)

    async def test_sleeper_counts_no_attempt(self, table: StatesUnderTest) -> None:
        """What it has in flight will be read again by the owner."""
        sleeper, owner = table.states(), table.states()
        await sleeper.begin({0: 5})
        await owner.begin({0: 5})
        await sleeper.attempt([0])
        assert (await table.states().begin({0: 5}))[0].attempts == 0

    @pytest.mark.parametrize("deed", ["end", "unmark"])
    async def test_sleeper_leaves_the_new_owners_record_in_the_marker(self, table: StatesUnderTest, deed: str) -> None:
        """With its crashes, to which the owner's own is added."""
        sleeper, owner, successor = table.states(), table.states(), table.states()
        await died_with(sleeper, 0, 5)
        await owner.begin({0: 5})
        assert await owner.mark(0, 5) == 1
        await (sleeper.end({0: 5}) if deed == "end" else sleeper.unmark(0))
        await successor.begin({0: 5})
        assert await successor.mark(0, 5) == 2

    async def test_sleeper_puts_nothing_into_the_new_owners_marker(self, table: StatesUnderTest) -> None:
        """Its call says that its generation is stale."""
        sleeper, owner, successor = table.states(), table.states(), table.states()
        await sleeper.begin({0: 5})
        await owner.begin({0: 5})
        await owner.mark(0, 5)
        with pytest.raises(StaleGeneration):
            await sleeper.mark(0, 6)
        await successor.begin({0: 5})
        assert await successor.mark(0, 5) == 1

    async def test_owner_again_after_another_may_mark_again(self, table: StatesUnderTest) -> None:
        """As when a partition comes back to a consumer."""
        first, second = table.states(), table.states()
        await first.begin({0: 5})
        await second.begin({0: 5})
        await first.begin({0: 5})
        assert await first.mark(0, 5) == 0
        with pytest.raises(StaleGeneration):
            await second.mark(0, 5)


class HaltsContract(_StatesContract):
    """Subclasses override the fixture `table`."""

    @pytest.mark.parametrize("kind", HaltKind)
    async def test_halt_is_kept_for_all_who_come_later(self, table: StatesUnderTest, kind: HaltKind) -> None:
        """Whole, and for its partition alone."""
        halt = Halt(kind, 2**53 + 1, "Grund: „zu viele“, 50 %")
        await table.states().halt(0, halt)
        assert await table.states().halts() == {0: halt}
        begun = await table.states().begin({0: 5, 1: 5})
        assert begun == {0: PartitionState(0, halt), 1: PartitionState(0, None)}

    async def test_open_halt_says_since_when(self, states: PartitionStates) -> None:
        """Met again it is as old as before; resumed it is gone."""
        before = datetime.now(UTC) - _ODDS
        await states.halt(0, HALT)
        await states.halt(1, HALT)
        since = await states.halted_since()
        assert before < since[0] <= since[1] < datetime.now(UTC) + _ODDS
        await states.halt(0, HALT)
        await states.resume([1])
        assert await states.halted_since() == {0: since[0]}

    async def test_halt_outlasts_ends_and_markers(self, states: PartitionStates) -> None:
        """Only a person ends it."""
        await states.begin({0: 7})
        await states.halt(0, HALT)
        await states.mark(0, 7)
        await states.unmark(0)
        await states.end({0: 7})
        assert (await states.begin({0: 8}))[0].halt == HALT

    async def test_resumed_halt_is_gone_and_answered_once(self, states: PartitionStates) -> None:
        """The caller that resumes it gets its reason."""
        await states.halt(0, HALT)
        assert await states.resume() == {0: HALT}
        assert (await states.resume(), await states.halts()) == ({}, {})
        assert (await states.begin({0: 7}))[0].halt is None

    async def test_partitions_are_resumed_by_name_or_all_together(self, states: PartitionStates) -> None:
        """A name that nothing is halted by is no error; no name at all is nobody's."""
        halts = {partition: HALT._replace(offset=partition) for partition in range(4)}
        for partition, halt in halts.items():
            await states.halt(partition, halt)
        assert await states.resume([]) == {}
        assert await states.resume([2, 9, 0]) == {0: halts[0], 2: halts[2]}
        assert await states.halts() == {1: halts[1], 3: halts[3]}
        assert await states.resume() == {1: halts[1], 3: halts[3]}

    async def test_halt_that_was_resumed_stays_resumed_when_it_is_met_again(self, states: PartitionStates) -> None:
        """The same kind at the same offset is what the person has accepted."""
        await states.halt(0, HALT)
        await states.resume()
        await states.halt(0, HALT._replace(reason="in other words"))
        assert await states.halts() == {}

    async def test_open_halt_keeps_its_first_reason(self, states: PartitionStates) -> None:
        """A consumer that meets it again has nothing to add."""
        await states.halt(0, HALT)
        await states.halt(0, HALT._replace(reason="in other words"))
        assert await states.halts() == {0: HALT}

    @pytest.mark.parametrize("resumed", [True, False])
    @pytest.mark.parametrize("other", [Halt(HaltKind.GAP, 7, "gone"), Halt(HaltKind.DLQ_LIMIT, 8, "again")])
    async def test_another_halt_takes_the_place_of_the_last(
        self, states: PartitionStates, other: Halt, resumed: bool
    ) -> None:
        """Whether or not that was resumed: this one was not."""
        await states.halt(0, HALT)
        if resumed:
            await states.resume()
        await states.halt(0, other)
        assert await states.halts() == {0: other}
        assert await states.resume([0]) == {0: other}

    async def test_halt_is_resumed_by_one_of_many_who_try_at_once(self, table: StatesUnderTest) -> None:
        """Every one is answered exactly once."""
        for partition in range(4):
            await table.states().halt(partition, HALT)
        answers = await asyncio.gather(
            *(table.states().resume(order) for order in [range(4), range(3, -1, -1), None] * 4)
        )
        assert sorted(partition for answer in answers for partition in answer) == [0, 1, 2, 3]
