"""Brokers that come back at other addresses, behind the same bootstrap address, while nothing is published."""

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import ExitStack
from pathlib import Path
from uuid import UUID

import pytest

from adapters.postgres.sessions.database import Database
from tests.support.framing import kafka_requests
from tests.support.kafka import running
from tests.support.proxy import Proxy, proxied
from tests.support.records import Topics
from tests.support.service import Services
from tests.support.waiting import eventually
from tests.support.world import World
from tools.kafka import KafkaCluster, probe

HEALED_SECONDS = 60.0
EVENT = {"userId": "user-1", "eventType": "LOGIN"}


class MovingBroker:
    """One broker, which keeps its data; clients find it through `bootstrap`, and go on at `address`."""

    def __init__(self, data: Path, bootstrap: Proxy, address: Proxy) -> None:
        self.address = address
        self._data = data
        self._bootstrap = bootstrap
        self._running = ExitStack()

    async def start(self) -> None:
        """Start at a port that it did not have before, and send clients to `address`."""
        cluster = KafkaCluster(self._data, advertised_ports=[self.address.port])
        await asyncio.to_thread(self._running.enter_context, running(cluster))
        self._bootstrap.server_port = self.address.server_port = cluster.ports[0]

    async def stop(self) -> None:
        """Stop in order."""
        await asyncio.to_thread(self._running.close)


@pytest.fixture
async def bootstrap() -> AsyncIterator[Proxy]:
    """The address in the settings."""
    async with proxied(0, kafka_requests) as proxy:
        yield proxy


@pytest.fixture
async def broker(bootstrap: Proxy) -> AsyncIterator[MovingBroker]:
    """A broker at its first address."""
    with tempfile.TemporaryDirectory(prefix="user-events-kafka-") as directory:
        async with proxied(0, kafka_requests, port=probe.free_ports(1)[0]) as address:
            made = MovingBroker(Path(directory), bootstrap, address)
            await made.start()
            try:
                yield made
            finally:
                await made.stop()


@pytest.fixture
def world(bootstrap: Proxy, services: Services, database: Database) -> World:
    """A world that knows Kafka by the bootstrap address alone."""
    return World(services, database, Topics(f"127.0.0.1:{bootstrap.port}"))


@pytest.mark.parametrize("old_address", ["refuses", "is silent"])
async def test_processes_find_brokers_that_moved(world: World, broker: MovingBroker, old_address: str) -> None:
    """Both are ready again within a minute, although nothing is published; then they publish and store."""
    api, consumer = await asyncio.gather(world.run("api"), world.run("consumer"))
    old = broker.address
    if old_address == "refuses":
        await old.refuse()
    else:
        old.blackhole()
    await asyncio.gather(api.not_ready(), consumer.not_ready())
    await broker.stop()
    async with proxied(0, kafka_requests, port=probe.free_ports(1)[0]) as broker.address:
        await broker.start()

        async def are_ready() -> bool:
            return await api.is_ready() and await consumer.is_ready()

        await eventually(are_ready, "ready at the new address", within=HEALED_SECONDS)
        answer = await api.client.post("/events/generate", json=EVENT)
        await world.stored([UUID(answer.json()["eventId"])])
        await asyncio.gather(api.terminate(), consumer.terminate())
