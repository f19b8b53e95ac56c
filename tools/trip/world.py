"""The api and the consumer as the container wires them, with the log and the table in memory."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from inspect import isawaitable
from typing import Any, Final

from dependency_injector import providers

from adapters.memory import (
    MemoryDeadLetterQueue,
    MemoryEventStore,
    MemoryLog,
    MemoryPartitionStates,
    MemoryPublisher,
    MemorySource,
)
from entrypoints.config.environment import load_settings
from entrypoints.container import Container
from entrypoints.processes.preparation import Preparation
from tools.kafka import probe

_TOPIC: Final = "user-activity-events"
_GROUP: Final = "user-activity-consumer-group"


class World:
    """Where events make their trip; the consumer has a log of its own, so that the stages do not overlap."""

    def __init__(self) -> None:
        self.port, consumer_port = probe.free_ports(2)
        self.published = MemoryLog()
        self.consumed = MemoryLog()
        self.container = Container(
            settings=load_settings({"HOST": "127.0.0.1", "PORT": str(self.port), "CONSUMER_PORT": str(consumer_port)}),
            publisher=providers.Object(MemoryPublisher(self.published, _TOPIC)),
            dead_letters=providers.Object(MemoryDeadLetterQueue(self.consumed, "dead-letters")),
            event_store=providers.Object(MemoryEventStore(lambda: datetime.now(UTC))),
            partition_states=providers.Object(MemoryPartitionStates(_TOPIC, _GROUP)),
            engine=providers.Object(None),
            preparation=providers.Object(Preparation([])),
        )
        self.source = MemorySource(self.consumed, _TOPIC, _GROUP)
        self.container.source.override(providers.Object(self.source))

    @asynccontextmanager
    async def api(self) -> AsyncIterator[None]:
        """Run the api until the end."""
        async with _running(self.container.api()):
            while not probe.accepts(self.port):
                await asyncio.sleep(0)
            yield

    @asynccontextmanager
    async def consumer(self) -> AsyncIterator[None]:
        """Run the consumer until the end."""
        await self.source.open()
        async with _running(self.container.consumer()):
            yield

    async def publish(self, number: int) -> str:
        """Send an event and return its id. Each client names itself, so that no header is found in a cache."""
        body = json.dumps({"userId": "user-1", "eventType": "LOGIN", "payload": {"number": number}})
        fields = f"User-Agent: trip/{number}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
        answer = await _request(self.port, f"POST /events/generate HTTP/1.1\r\n{fields}", body)
        return str(json.loads(answer)["eventId"])

    async def consume(self, number: int) -> None:
        """Have the consumer read a record, and return once it is committed."""
        record = self.published.records(_TOPIC)[number]
        self.consumed.append(_TOPIC, record.key, record.value, record.headers)
        while sum(self.consumed.groups[_TOPIC, _GROUP].committed.values()) <= number:
            await asyncio.sleep(0)

    async def read(self, number: int, event_id: str) -> None:
        """Read an event from the table."""
        answer = await _request(self.port, f"GET /events/{event_id} HTTP/1.1\r\nUser-Agent: trip/{number}")
        if json.loads(answer)["id"] != event_id:
            raise ValueError(f"event {event_id} was not found: {answer}")


@asynccontextmanager
async def _running(root: Any) -> AsyncIterator[None]:
    stop = asyncio.Event()
    process = asyncio.ensure_future((await root if isawaitable(root) else root).run(stop))
    try:
        yield
    finally:
        stop.set()
        await process


async def _request(port: int, head: str, body: str = "") -> str:
    """Send a request on a connection of its own; return the response's body."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"{head}\r\nHost: localhost\r\nConnection: close\r\n\r\n{body}".encode())
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer.decode().partition("\r\n\r\n")[2]
