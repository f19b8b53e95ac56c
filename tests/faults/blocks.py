"""Records appended block by block, past the api: each block is one batch of Kafka's, so it is read as a whole."""

import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from random import Random

from aiokafka import AIOKafkaProducer

from tests.faults.history import Event, Events, History, Outcome
from tests.support.poison import HEADERS, KEY

_BLOCK_BYTES = 900_000
_USERS = 50

Content = Event | bytes | None
"""A record's value, or the event in it, which is acknowledged once the block is."""


class Blocks:
    """Appends blocks through one producer; made by `blocks`. Events that it did not make have no history here."""

    def __init__(self, seed: str, producer: AIOKafkaProducer, topic: str) -> None:
        self.history = History()
        self._random = Random(seed)
        self._events = Events(self._random)
        self._producer = producer
        self._topic = topic

    def events(self, count: int) -> list[Event]:
        """Make events of some users."""
        users = [f"user of blocks {self._random.randrange(_USERS)}" for _ in range(count)]
        made = [self._events.make(user) for user in users]
        self.history.events |= {event.id: event for event in made}
        return made

    async def append(self, block: Sequence[Content], *, partition: int = 0) -> int:
        """Append a block and return the offset of its first record."""
        batch = self._producer.create_batch()
        events = [each for each in block if isinstance(each, Event)]
        for event in events:
            event.attempts += 1
            event.first_sent = time.time()
        for each in block:
            key, value = (each.user.encode(), each.record()) if isinstance(each, Event) else (KEY, each)
            assert batch.append(timestamp=None, key=key, value=value, headers=list(HEADERS)), "the block is full"
        sent = await (await self._producer.send_batch(batch, self._topic, partition=partition))
        for event in events:
            event.outcome, event.acked = Outcome.OK, time.time()
        self.history.attempts += len(events)
        self.history.acknowledged += len(events)
        return int(sent.offset)


@asynccontextmanager
async def blocks(seed: str, bootstrap: str, topic: str) -> AsyncIterator[Blocks]:
    """Start and stop the producer."""
    async with AIOKafkaProducer(
        bootstrap_servers=bootstrap,
        enable_idempotence=True,
        max_batch_size=_BLOCK_BYTES,
        max_request_size=2 * _BLOCK_BYTES,
    ) as producer:
        yield Blocks(seed, producer, topic)
