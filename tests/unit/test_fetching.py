"""Records that are read one by one, because one of them cannot be read."""

from aiokafka import TopicPartition

from adapters.kafka.consumer.fetching import Fetching
from domain.dead_letter import Record
from tests.support.events import a_record

PARTITIONS = [TopicPartition("events", number) for number in range(9)]
WAIT_MS = 450


class Client:
    """Has records in one partition only."""

    def __init__(self, records: int) -> None:
        self.left = records
        self.waited_ms = 0

    async def getmany(
        self, partition: TopicPartition, *, timeout_ms: int, max_records: int
    ) -> dict[TopicPartition, list[Record]]:
        assert max_records == 1
        if partition == PARTITIONS[0] and self.left > 0:
            self.left -= 1
            return {partition: [a_record(b"")]}
        self.waited_ms += timeout_ms
        return {}


def one_by_one(client: Client) -> Fetching:
    """Read one by one."""
    fetching = Fetching(client, lambda *_: None)
    fetching.single_fetches = 1_000
    return fetching


async def test_partitions_without_records_do_not_slow_the_others() -> None:
    """There may be thousands of records to read one by one."""
    client = Client(100)
    fetching = one_by_one(client)
    for _ in range(100):
        assert len(await fetching.getmany(PARTITIONS, WAIT_MS, 500)) == 1
    assert client.waited_ms == 0


async def test_partitions_without_records_share_the_wait() -> None:
    """It is not longer than asked for."""
    client = Client(0)
    assert await one_by_one(client).getmany(PARTITIONS, WAIT_MS, 500) == {}
    assert client.waited_ms == WAIT_MS
