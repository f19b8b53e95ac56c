"""The real servers of a run: a broker and a database server on loopback."""

import os
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import uuid4

from adapters.postgres.schema.migrate import migrate
from adapters.postgres.sessions.database import Database
from benchmarks import usage
from entrypoints.dev.local_postgres import LocalPostgres
from tests.support.postgres import PostgresServer, connect
from tools.kafka import KafkaCluster

_BROKER = 1
_MIB = 1024 * 1024
_MEMORY = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
POSTGRES_SETTINGS: Mapping[str, str] = {
    "shared_buffers": f"{min(2048, _MEMORY // _MIB // 8)}MB",
    "effective_cache_size": f"{_MEMORY // _MIB // 2}MB",
    "maintenance_work_mem": "512MB",
    "random_page_cost": "1.1",
    "max_wal_size": "8GB",
    "min_wal_size": "1GB",
    "checkpoint_timeout": "15min",
}
"""Ordinary settings for such a machine, the same for the service and for its limits."""
_COMPRESSION = "wal_compression"


@dataclass(frozen=True)
class Servers:
    """The servers, and how much processor time they have used."""

    kafka: KafkaCluster
    postgres: PostgresServer
    local: LocalPostgres
    template: str
    """A migrated database from which others are copied."""

    async def new_database(self) -> Database:
        """Make a migrated database without rows."""
        name = f"run_{uuid4().hex}"
        await self.postgres.create(name, self.template)
        return replace(self.postgres.admin, name=name)

    async def drop(self, database: Database) -> None:
        """Remove a database."""
        await self.postgres.drop(database.name)

    @asynccontextmanager
    async def database(self) -> AsyncIterator[Database]:
        """Make a database for one run."""
        made = await self.new_database()
        try:
            yield made
        finally:
            await self.drop(made)

    async def settle(self) -> None:
        """Make the database write the dirty pages of earlier runs."""
        await self.postgres.execute("CHECKPOINT")

    async def settings(self) -> dict[str, str]:
        """Ask the database for the settings that matter here."""
        names = [*POSTGRES_SETTINGS, _COMPRESSION, "fsync", "synchronous_commit", "full_page_writes"]
        connection = await connect(self.postgres.admin)
        try:
            return {name: str(await connection.fetchval(f"SHOW {name}")) for name in names}
        finally:
            await connection.close()

    @property
    def postgres_pid(self) -> int:
        """The parent process of the server."""
        assert self.local.process is not None
        return self.local.process.pid

    @property
    def kafka_jvm(self) -> str:
        """The options of the broker's virtual machine."""
        command = Path(f"/proc/{self.kafka.process(_BROKER).pid}/cmdline").read_text().split("\0")
        return " ".join(argument for argument in command if argument.startswith("-X"))

    def cpu_seconds(self) -> dict[str, float]:
        """Return the processor seconds of each server so far."""
        return {
            "broker": usage.cpu_seconds(self.kafka.process(_BROKER).pid),
            "database": usage.cpu_seconds(self.postgres_pid),
        }


@asynccontextmanager
async def servers(folder: Path) -> AsyncIterator[Servers]:
    """Run both servers with their data in `folder`."""
    with _both(folder) as (kafka, local):
        server = PostgresServer(Database(local.host, local.port, local.user, local.password, local.database), local)
        await _compress_wal(server)
        await server.create("migrated")
        await migrate(replace(server.admin, name="migrated"))
        yield Servers(kafka, server, local, "migrated")


@contextmanager
def _both(folder: Path) -> Iterator[tuple[KafkaCluster, LocalPostgres]]:
    with (
        LocalPostgres(folder / "postgres", options=POSTGRES_SETTINGS) as local,
        KafkaCluster(folder / "kafka") as kafka,
    ):
        yield kafka, local


async def _compress_wal(server: PostgresServer) -> None:
    """Compress the WAL with lz4 if the server was built with it."""
    connection = await connect(server.admin)
    try:
        methods = await connection.fetchval("SELECT enumvals FROM pg_settings WHERE name = $1", _COMPRESSION)
        if "lz4" in methods:
            await connection.execute(f"ALTER SYSTEM SET {_COMPRESSION} = lz4")
            await connection.execute("SELECT pg_reload_conf()")
    finally:
        await connection.close()
