"""The real servers that tests run against: given ones, or ones started here for the session."""

import asyncio
import gc
import os
import tempfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.kafka.patches import apply_patches
from adapters.postgres.schema.migrate import migrate
from adapters.postgres.sessions.database import Database
from adapters.postgres.sessions.engine import create_engine
from entrypoints.dev.local_postgres import LocalPostgres
from tests.support.kafka import KafkaServer, broker_level, running
from tests.support.postgres import PostgresServer
from tools.kafka import KafkaCluster

# A test that waits for a broker, or an example on a busy machine, may take long once; that is no failure.
hypothesis_settings.register_profile(
    "default", deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow]
)
hypothesis_settings.load_profile("default")

_LEGACY = os.environ.get("LEGACY") == "1"
_ran_on: dict[str, str] = {}


def pytest_collection_finish() -> None:
    """Keep what has been imported out of the collector's sight."""
    _collect()


@pytest.fixture(scope="session", autouse=True)
def patched_client() -> None:
    """Mend the Kafka client, as each process does when it starts."""
    apply_patches()


@pytest.fixture(autouse=True)
def own_garbage() -> Iterator[None]:
    """Let what a test leaves open fail this test, and not the one in which it happens to be collected."""
    yield
    _collect()


def pytest_fixture_post_finalizer(fixturedef: pytest.FixtureDef[object]) -> None:
    """Do the same for what several tests share."""
    if fixturedef.scope in {"module", "session"}:
        _collect()


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Show all that is left to pytest's own last collection; a worker of several tells what its tests ran on."""
    gc.unfreeze()
    if (output := getattr(session.config, "workeroutput", None)) is not None:
        output["ran_on"] = _ran_on


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take over what a worker tells."""
    _ran_on.update(getattr(node, "workeroutput", {}).get("ran_on", {}))


def _collect() -> None:
    gc.collect()
    # What is left is not looked at again and again, which would take longer than most tests.
    gc.freeze()


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """The database server: the one at DB_HOST, or the wheel's, started here."""
    if os.environ.get("DB_HOST"):
        server = PostgresServer.from_environment()
        _ran_on["PostgreSQL"] = f"{asyncio.run(server.version())} (DB_HOST)"
        yield server
        return
    with (
        tempfile.TemporaryDirectory(prefix="user-events-postgres-") as directory,
        # Processes are killed in these tests, the machine is not: no need to wait for its disk.
        LocalPostgres(Path(directory) / "data", options={"fsync": "off"}) as local,
    ):
        server = PostgresServer(Database(local.host, local.port, local.user, local.password, local.database), local)
        _ran_on["PostgreSQL"] = f"{asyncio.run(server.version())} (started here)"
        yield server


@pytest.fixture(scope="session")
def migrated(postgres: PostgresServer) -> Iterator[str]:
    """The name of a migrated database that others are copied from."""
    name = f"template_{uuid4().hex}"
    asyncio.run(postgres.create(name))
    asyncio.run(migrate(replace(postgres.admin, name=name)))
    yield name
    asyncio.run(postgres.drop(name))


@pytest.fixture
async def empty_database(postgres: PostgresServer) -> AsyncIterator[Database]:
    """A database of this test's own without any table."""
    name = f"test_{uuid4().hex}"
    await postgres.create(name)
    yield replace(postgres.admin, name=name)
    await postgres.drop(name)


@pytest.fixture
async def database(postgres: PostgresServer, migrated: str) -> AsyncIterator[Database]:
    """A migrated database of this test's own."""
    name = f"test_{uuid4().hex}"
    await postgres.create(name, template=migrated)
    yield replace(postgres.admin, name=name)
    await postgres.drop(name)


@pytest.fixture
async def engine(database: Database) -> AsyncIterator[AsyncEngine]:
    """An engine on `database`."""
    made = create_engine(database, application_name="tests", pool_size=20)
    yield made
    await made.dispose()


@pytest.fixture(scope="session")
def kafka() -> Iterator[KafkaServer]:
    """The broker: the one at KAFKA_BROKER, or one started here (with LEGACY=1 the last line that has ZooKeeper)."""
    if given := os.environ.get("KAFKA_BROKER"):
        _ran_on["Apache Kafka"] = f"{asyncio.run(broker_level(given))} (KAFKA_BROKER)"
        yield KafkaServer(given)
        return
    with (
        tempfile.TemporaryDirectory(prefix="user-events-kafka-") as directory,
        running(KafkaCluster(Path(directory), legacy=_LEGACY)) as cluster,
    ):
        level = asyncio.run(broker_level(cluster.bootstrap))
        _ran_on["Apache Kafka"] = f"{cluster.version}, {level} (started here)"
        yield KafkaServer(cluster.bootstrap, cluster)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say at the end what the tests ran on."""
    for name, version in sorted(_ran_on.items()):
        terminalreporter.write_line(f"ran on {name} {version}")
