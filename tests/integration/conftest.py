"""Worlds for tests of whole processes."""

import os
import signal
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from adapters.postgres.sessions.database import Database
from entrypoints.dev.local_postgres import LocalPostgres
from tests.support.api import Api, an_api
from tests.support.framing import kafka_requests
from tests.support.kafka import KafkaServer, running
from tests.support.proxy import Proxy, proxied
from tests.support.records import Topics
from tests.support.service import Services
from tests.support.service import services as started_services
from tests.support.slow_log import SlowLog
from tests.support.world import World
from tools.kafka import KafkaCluster, probe


@pytest.fixture
async def api() -> AsyncIterator[Api]:
    """Make an API over empty adapters, to be served on a real socket."""
    async with an_api() as made:
        yield made


@pytest.fixture
def slow_log(api: Api, monkeypatch: pytest.MonkeyPatch) -> SlowLog:
    """Behind the API."""
    log = SlowLog()
    monkeypatch.setattr(api.publisher, "publish", log.publish)
    return log


@pytest.fixture(scope="module")
def local() -> Iterator[LocalPostgres]:
    """A server that these tests may stop."""
    with (
        tempfile.TemporaryDirectory(prefix="user-events-postgres-") as directory,
        LocalPostgres(Path(directory) / "data", options={"fsync": "off"}) as server,
    ):
        yield server


@pytest.fixture
def hangups() -> Iterator[None]:
    """Have processes that a test starts take SIGHUP, also where the tests themselves run under `nohup`."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.fixture
async def services(tmp_path: Path) -> AsyncIterator[Services]:
    """Processes of this test's own."""
    async with started_services(tmp_path) as started:
        yield started


@pytest.fixture
def world(services: Services, database: Database, kafka: KafkaServer) -> World:
    """A world of this test's own on the servers of the session."""
    return World(services, database, Topics(kafka.bootstrap))


@pytest.fixture(scope="session")
def proxied_cluster() -> Iterator[KafkaCluster]:
    """A broker that sends its clients to a port where only a test's proxy listens."""
    if os.environ.get("KAFKA_BROKER"):
        pytest.skip("a proxy must be the broker's advertised address: not so with KAFKA_BROKER")
    legacy = os.environ.get("LEGACY") == "1"
    with (
        tempfile.TemporaryDirectory(prefix="user-events-kafka-") as directory,
        running(KafkaCluster(Path(directory), legacy=legacy, advertised_ports=probe.free_ports(1))) as cluster,
    ):
        yield cluster


@pytest.fixture
async def kafka_proxy(proxied_cluster: KafkaCluster) -> AsyncIterator[Proxy]:
    """The way to that broker."""
    (advertised,) = (int(address.rpartition(":")[2]) for address in proxied_cluster.bootstrap.split(","))
    async with proxied(proxied_cluster.ports[0], kafka_requests, port=advertised) as proxy:
        yield proxy


@pytest.fixture
def fragile_world(kafka_proxy: Proxy, proxied_cluster: KafkaCluster, services: Services, database: Database) -> World:
    """A world whose way to Kafka is `kafka_proxy`, which outlives its processes."""
    return World(services, database, Topics(proxied_cluster.bootstrap))
