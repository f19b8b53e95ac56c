"""Clients that append to the topic past the api and past the proxies, for faults on the consumer's side."""

import asyncio
from contextlib import AbstractAsyncContextManager, nullcontext, suppress
from types import TracebackType

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from tests.faults.history import Event
from tests.faults.load import Answer, Load

_WORKERS = 250
_HEADERS = [("content-type", b"application/json")]
_ACK_SECONDS = 30.0
_STOP_SECONDS = 5.0


class KafkaLoad(Load):
    """Many users of one producer, which is as careful as ours: idempotent, all replicas."""

    def __init__(self, seed: str, bootstrap: str, topic: str, *, most: int | None = None) -> None:
        super().__init__(seed, workers=_WORKERS, users_each=1, most=most)
        self._bootstrap = bootstrap
        self._topic = topic
        self._producer: AIOKafkaProducer | None = None
        self._replacing = asyncio.Lock()

    def client(self) -> AbstractAsyncContextManager["KafkaLoad"]:
        """All users share the producer."""
        return nullcontext(self)

    async def send(self, event: Event) -> Answer:
        """Append an event; without an acknowledgement nobody knows whether the log has it."""
        producer = await self._current()
        try:
            async with asyncio.timeout(_ACK_SECONDS):
                await producer.send_and_wait(self._topic, event.record(), event.user.encode(), headers=_HEADERS)
        except (KafkaError, TimeoutError):
            await self._discard(producer)
            return Answer.NONE
        return Answer.OK

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let the users end, then stop the producer."""
        try:
            await super().__aexit__(kind, error, trace)
        finally:
            await self._discard(self._producer)

    async def _current(self) -> AIOKafkaProducer:
        async with self._replacing:
            if self._producer is None:
                self._producer = AIOKafkaProducer(
                    bootstrap_servers=self._bootstrap, enable_idempotence=True, request_timeout_ms=10_000
                )
                await self._producer.start()
            return self._producer

    async def _discard(self, producer: AIOKafkaProducer | None) -> None:
        """Once a batch has failed its partition may be jammed: later ones come out of sequence."""
        if producer is not None and producer is self._producer:
            self._producer = None
            await _stop(producer)


async def _stop(producer: AIOKafkaProducer) -> None:
    with suppress(KafkaError, TimeoutError):
        async with asyncio.timeout(_STOP_SECONDS):
            await producer.stop()
