"""The partitions that one generation of the group assigns to a consumer: assigned, read, halted, released."""

from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping

import pytest
from aiokafka import OffsetAndMetadata, TopicPartition
from aiokafka.errors import CorruptRecordException

from adapters.kafka.consumer.assignment import Assignment
from application.ports import HaltKind
from domain.errors import Unavailable
from tests.support.events import a_record
from tests.support.listeners import Witness

LIMIT = 500
WHERE = TopicPartition("events", 0)


class Client:
    """Has one partition, committed up to 3, in which the record at 7 cannot be read."""

    def __init__(self) -> None:
        self.beginning = 0
        self.position = 0
        self.is_paused = False
        self.committed = 3
        self.polls = 0
        self._coordinator = self

    def assignment(self) -> set[TopicPartition]:
        return {WHERE}

    def paused(self) -> set[TopicPartition]:
        return {WHERE} if self.is_paused else set()

    def pause(self, *_partitions: TopicPartition) -> None:
        self.is_paused = True

    def resume(self, *partitions: TopicPartition) -> None:
        self.is_paused = self.is_paused and not partitions

    def seek(self, _partition: TopicPartition, offset: int) -> None:
        self.position = offset

    async def commit(self, offsets: dict[TopicPartition, OffsetAndMetadata]) -> None:
        self.committed = offsets[WHERE].offset

    async def fetch_committed_offsets(self, _partitions: object) -> dict[TopicPartition, OffsetAndMetadata]:
        return {WHERE: OffsetAndMetadata(self.committed, "")}

    async def beginning_offsets(self, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        return dict.fromkeys(partitions, self.beginning)

    async def end_offsets(self, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        return dict.fromkeys(partitions, 20)

    def last_stable_offset(self, _partition: TopicPartition) -> None:
        """No transaction has been seen."""

    highwater = last_stable_offset

    async def getmany(self, *_: object, **__: object) -> dict[TopicPartition, list[object]]:
        self.polls += 1
        if self.is_paused:
            return {}
        raise CorruptRecordException


async def taken_over(client: Client, witness: Witness) -> Assignment:
    """Make an assignment that the listener has taken over."""
    assignment = Assignment(client, "events", witness)
    await assignment.find_positions()
    await assignment.position()
    return assignment


@pytest.mark.parametrize(("seconds", "singles"), [(1, LIMIT), (59, LIMIT), (60, 0), (3_600, 0)])
def test_what_is_wrong_again_soon_is_looked_for_one_by_one(seconds: float, singles: int) -> None:
    """The first time it is only read again, since that costs next to nothing."""
    assignment = Assignment(None, "events", Witness())
    assignment.fetching.doubt(CorruptRecordException(), LIMIT, 100)
    assert assignment.fetching.single_fetches == 0
    assignment.fetching.doubt(CorruptRecordException(), LIMIT, 100 + seconds)
    assert assignment.fetching.single_fetches == singles


async def test_record_that_cannot_be_read_alone_twice_halts_its_partition() -> None:
    """There, and behind what was delivered before it; skipped, it is read on behind it."""
    client = Client()
    assignment = await taken_over(client, Witness())
    assignment.advance({WHERE: [a_record(b"", offset=offset) for offset in range(3, 7)]})
    assignment.fetching.single_fetches = LIMIT
    # The answers of several brokers may be damaged at once: one failure alone says nothing of this record.
    assert await assignment.getmany(0, LIMIT, ()) == {}
    assert (assignment.halted, assignment.is_positioned) == ({}, False)
    assert assignment.fetching.single_fetches > 0
    await assignment.position()
    assert await assignment.getmany(0, LIMIT, ()) == {}
    assert {at: (halt.kind, halt.offset) for at, halt in assignment.halted.items()} == {0: (HaltKind.UNREADABLE, 7)}
    assert assignment.fetching.single_fetches == 0
    assignment.skip(0)
    await assignment.find_positions()
    await assignment.position()
    assert (assignment.halted, client.position) == ({}, 8)


async def test_gap_that_several_fetches_meet_halts_its_partition_once(caplog: pytest.LogCaptureFixture) -> None:
    """A fetch that was in flight when it was halted meets the gap as well, also when it is to be skipped by then."""
    client = Client()
    assignment = await taken_over(client, Witness())
    client.beginning = 9
    await assignment.halt_at_gaps([WHERE])
    await assignment.halt_at_gaps([WHERE])
    assert [halt.offset for halt in assignment.halted.values()] == [3]
    assert [record.message for record in caplog.records] == ["partition halted"]
    assignment.skip(WHERE.partition)
    await assignment.halt_at_gaps([WHERE])
    await assignment.find_positions()
    assert assignment.halted == {}


async def test_partition_is_read_from_the_groups_position_once_it_is_taken_over() -> None:
    """Until then the client is polled all the same, lest it leaves the group, and delivers nothing."""
    client, witness = Client(), Witness()
    witness.error = Unavailable("database: down")
    assignment = Assignment(client, "events", witness)
    await assignment.find_positions()
    for polls in (1, 2):
        with pytest.raises(Unavailable, match="database: down"):
            await assignment.position()
        assert (client.is_paused, client.polls) == (True, polls)
    assert not assignment.is_taken_over
    witness.error = None
    await assignment.position()
    assert assignment.is_taken_over
    assert (witness.assigned, client.position) == ([{0: 3}], 3)


async def test_halted_partition_or_one_that_is_paused_is_not_asked_for() -> None:
    """The client is polled, and would fail if it delivered anything."""
    client = Client()
    assignment = await taken_over(client, Witness())
    assert await assignment.getmany(0, LIMIT, [0]) == {}
    with pytest.raises(CorruptRecordException):
        await assignment.getmany(0, LIMIT, ())
    client.beginning = 9
    await assignment.halt_at_gaps([WHERE])
    assert await assignment.getmany(0, LIMIT, ()) == {}


async def test_revoked_partition_can_be_committed_until_the_listener_is_done() -> None:
    """And is released once, whatever happens afterwards."""

    async def finish(_partitions: Collection[int]) -> None:
        assert assignment.is_revoking
        assert assignment.taken_over == {0}
        await assignment.commit({0: 5})

    client, witness = Client(), Witness(finish)
    assignment = await taken_over(client, witness)
    await assignment.revoke()
    assert (client.committed, assignment.taken_over) == (5, set())
    await assignment.revoke()
    await assignment.lose()
    assert (witness.revoked, witness.lost) == ([{0}], [])


@pytest.mark.parametrize("end", [Assignment.revoke, Assignment.lose], ids=["revoked", "lost"])
async def test_partition_that_goes_while_it_is_taken_over_is_lost(end: Callable[[Assignment], Awaitable[None]]) -> None:
    """The listener had not yet got what it has in the end."""

    class Slow(Witness):
        async def on_assigned(self, positions: Mapping[int, int]) -> None:
            await end(assignment)

    witness = Slow()
    assignment = Assignment(Client(), "events", witness)
    await assignment.find_positions()
    await assignment.position()
    assert not assignment.is_positioned
    assert (assignment.taken_over, witness.revoked, witness.lost) == (set(), [], [{0}])
