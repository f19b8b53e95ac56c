"""A member of a group, over a client that is given the events of the group."""

from collections.abc import Collection
from contextlib import suppress

import pytest
from aiokafka import ConsumerRebalanceListener, OffsetAndMetadata, TopicPartition
from aiokafka.errors import CommitFailedError

from adapters.kafka.connection import Brokers
from adapters.kafka.consumer.event_source import KafkaEventSource
from application.ports import StaleGeneration
from tests.support.listeners import Witness

WHERE = TopicPartition("events", 0)


class Client:
    """Has one partition and no record; the group refuses its commits."""

    def __init__(self, **_options: object) -> None:
        self.listener: ConsumerRebalanceListener | None = None
        self._coordinator = self._client = self
        self._conns: dict[object, object] = {}

    async def start(self) -> None:
        pass

    def subscribe(self, _topics: Collection[str], listener: ConsumerRebalanceListener) -> None:
        self.listener = listener

    def assignment(self) -> set[TopicPartition]:
        return {WHERE}

    def paused(self) -> set[TopicPartition]:
        return set()

    def resume(self, *_partitions: TopicPartition) -> None:
        pass

    def seek(self, _partition: TopicPartition, _offset: int) -> None:
        pass

    async def commit(self, _offsets: object) -> None:
        raise CommitFailedError

    async def fetch_committed_offsets(self, _partitions: object) -> dict[TopicPartition, OffsetAndMetadata]:
        return {WHERE: OffsetAndMetadata(3, "")}

    async def beginning_offsets(self, _partitions: object) -> dict[TopicPartition, int]:
        return {}

    async def end_offsets(self, _partitions: object) -> dict[TopicPartition, int]:
        return {WHERE: 3}

    def highwater(self, _partition: TopicPartition) -> int:
        return 3

    def last_stable_offset(self, _partition: TopicPartition) -> int:
        return 3

    async def position(self, _partition: TopicPartition) -> int:
        return 3

    async def getmany(self, *_partitions: TopicPartition, **_options: object) -> dict[TopicPartition, list[object]]:
        return {}


async def test_commit_refused_in_a_revocation_assigns_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The partitions are assigned by the rebalance that follows, once."""
    client = Client()
    monkeypatch.setattr("adapters.kafka.consumer.event_source.AIOKafkaConsumer", lambda **_: client)
    source = KafkaEventSource(
        Brokers("localhost:1"), topic="events", group="group", assignor="range", session_timeout=10
    )

    async def commit(_partitions: Collection[int]) -> None:
        with suppress(StaleGeneration):
            await source.commit({0: 5})

    witness = Witness(commit)
    source.subscribe(witness)
    await source.poll(10, 0.0)
    assert client.listener is not None
    await client.listener.on_partitions_assigned([WHERE])
    await source.poll(10, 0.0)
    assert witness.assigned == [{0: 3}]
    await client.listener.on_partitions_revoked([WHERE])
    await source.poll(10, 0.0)
    assert witness.assigned == [{0: 3}]
    await client.listener.on_partitions_assigned([WHERE])
    await source.poll(10, 0.0)
    assert witness.assigned == [{0: 3}, {0: 3}]
