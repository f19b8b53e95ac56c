"""Publish events to a topic."""

from collections.abc import Coroutine, Sequence
from typing import Any

from adapters.kafka.producer import Producer, ProducerRecord, PublishOutcome
from adapters.records import codec
from domain.event import UserEvent


class KafkaEventPublisher:
    """`EventPublisher` over one topic; the key is the user's id."""

    def __init__(self, producer: Producer, topic: str) -> None:
        self._producer = producer
        self._topic = topic

    def publish(
        self, events: Sequence[UserEvent], traceparent: bytes | None = None
    ) -> Coroutine[Any, Any, Sequence[PublishOutcome]]:
        headers = codec.record_headers(traceparent)
        return self._producer.send(
            self._topic, [ProducerRecord(codec.encode_key(event), codec.encode(event), headers) for event in events]
        )

    async def ping(self) -> None:
        await self._producer.ping(self._topic)
