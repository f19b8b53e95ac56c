"""Publish dead letters to a topic again."""

from collections.abc import Sequence

from adapters.kafka.producer import Producer, ProducerRecord, PublishOutcome
from adapters.records import replays
from application.dead_letters.jobs import ReplayItem


class KafkaReplayPublisher:
    """`ReplayPublisher` over one topic; a record without a key goes to any partition."""

    def __init__(self, producer: Producer, topic: str) -> None:
        self._producer = producer
        self._topic = topic

    async def publish(self, items: Sequence[ReplayItem]) -> Sequence[PublishOutcome]:
        return await replays.published(items, self._send)

    async def _send(self, some: Sequence[replays.Replay]) -> Sequence[PublishOutcome]:
        return await self._producer.send(self._topic, [ProducerRecord(*each) for each in some])
