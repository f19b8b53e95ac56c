"""Publish events to a topic."""

from collections.abc import Sequence

from adapters.kafka.producer import Producer, ProducerRecord, PublishOutcome
from adapters.records import codec
from domain.event import UserEvent


class KafkaEventPublisher:
    """`EventPublisher` over one topic; the key is the user's id."""

    def __init__(self, producer: Producer, topic: str) -> None:
        self._producer = producer
        self._topic = topic

    async def publish(self, events: Sequence[UserEvent], traceparent: bytes | None = None) -> Sequence[PublishOutcome]:
        headers = codec.record_headers(traceparent)
        records = [ProducerRecord(codec.encode_key(event), codec.encode(event), headers) for event in events]
        return await self._producer.send(self._topic, records)

    async def ping(self) -> None:
        await self._producer.ping(self._topic)
