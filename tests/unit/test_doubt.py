"""What the client could not read: damaged on its way, or wrong for good."""

from collections.abc import Callable, Iterable

import pytest
from aiokafka import OffsetAndMetadata, TopicPartition
from aiokafka.errors import CorruptRecordException

from adapters.kafka.assignment import Assignment
from domain.stop import Stop
from tests.support.custodians import Witness
from tests.support.events import a_record

LIMIT = 500
WHERE = TopicPartition("events", 0)


class Client:
    """Has one partition, in which the record at 7 cannot be read; `meanwhile` happens while it is tried."""

    def __init__(self) -> None:
        self.meanwhile: Callable[[], object] = lambda: None
        self.beginning = 0
        self._coordinator = self

    def assignment(self) -> set[TopicPartition]:
        return {WHERE}

    def paused(self) -> set[TopicPartition]:
        return set()

    async def fetch_committed_offsets(self, _partitions: object) -> dict[TopicPartition, OffsetAndMetadata]:
        return {WHERE: OffsetAndMetadata(3, "")}

    async def beginning_offsets(self, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        return dict.fromkeys(partitions, self.beginning)

    async def end_offsets(self, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        return dict.fromkeys(partitions, 20)

    async def getmany(self, *_: object, **__: object) -> None:
        self.meanwhile()
        raise CorruptRecordException


@pytest.mark.parametrize(("seconds", "singles"), [(1, LIMIT), (59, LIMIT), (60, 0), (3_600, 0)])
def test_what_is_wrong_again_soon_is_looked_for_one_by_one(seconds: float, singles: int) -> None:
    """The first time it is only read again, since that costs next to nothing."""
    assignment = Assignment(None, "events", Witness())
    assignment.doubt(CorruptRecordException(), LIMIT, 100)
    assert assignment.single_fetches == 0
    assignment.doubt(CorruptRecordException(), LIMIT, 100 + seconds)
    assert assignment.single_fetches == singles


@pytest.mark.parametrize("is_meanwhile", [True, False])
async def test_stop_is_forgotten_once_records_before_it_are_given_back(*, is_meanwhile: bool) -> None:
    """It is met again behind them; skipped, it would take them along."""
    client = Client()
    assignment = Assignment(client, "events", Witness())
    await assignment.find_positions()
    assignment.advance({WHERE: [a_record(b"", offset=offset) for offset in range(3, 7)]})
    assignment.single_fetches = LIMIT
    if is_meanwhile:
        client.meanwhile = lambda: assignment.rewind([a_record(b"", offset=3)])
    await assignment.getmany(timeout_ms=0, max_records=LIMIT)
    if not is_meanwhile:
        assert [stop.offset for stop in assignment.stopped.values()] == [7]
        assignment.rewind([a_record(b"", offset=3)])
    stopped: dict[int, Stop] = assignment.stopped
    assert stopped == {}
    assert not assignment.is_positioned


async def test_gap_that_several_fetches_meet_stops_its_partition_once(caplog: pytest.LogCaptureFixture) -> None:
    """A fetch that was under way when it was stopped meets the gap as well, also when it is to be skipped by then."""
    client = Client()
    assignment = Assignment(client, "events", Witness())
    await assignment.find_positions()
    client.beginning = 9
    await assignment.stop_at_gaps([WHERE])
    await assignment.stop_at_gaps([WHERE])
    assert [stop.offset for stop in assignment.stopped.values()] == [3]
    assert [record.message for record in caplog.records] == ["partition stopped"]
    assignment.skip(WHERE.partition)
    await assignment.stop_at_gaps([WHERE])
    await assignment.find_positions()
    assert assignment.stopped == {}
