"""A database server for tests."""

import os
from dataclasses import dataclass

import asyncpg

from adapters.postgres.sessions.database import Database
from entrypoints.dev.local_postgres import LocalPostgres


@dataclass(frozen=True)
class PostgresServer:
    """Where the server is, as seen by one who may create databases; `local` can be stopped where it is ours."""

    admin: Database
    local: LocalPostgres | None = None

    @classmethod
    def from_environment(cls) -> "PostgresServer":
        """Read the service's own variables."""
        get = os.environ.get
        return cls(
            Database(
                get("DB_HOST", ""),
                int(get("DB_PORT", "5432")),
                get("DB_USER", "postgres"),
                get("DB_PASSWORD", "postgres"),
                get("DB_NAME", "postgres"),
            )
        )

    async def version(self) -> str:
        """Ask the server."""
        connection = await connect(self.admin)
        try:
            return str(await connection.fetchval("SHOW server_version"))
        finally:
            await connection.close()

    async def create(self, name: str, template: str = "template0") -> None:
        """Make a database, in UTC as the service wants it."""
        await self.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        await self.execute(f"ALTER DATABASE \"{name}\" SET timezone TO 'UTC'")

    async def drop(self, name: str) -> None:
        """Remove a database, with all sessions in it."""
        await self.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    async def execute(self, statement: str) -> None:
        """Run a statement as the administrator."""
        connection = await connect(self.admin)
        try:
            await connection.execute(statement)
        finally:
            await connection.close()


def kill(server: LocalPostgres) -> None:
    """Kill it like the kernel when memory runs out."""
    assert server.process is not None
    server.process.kill()
    server.process.wait()


def environment_of(database: Database) -> dict[str, str]:
    """The settings that name a database."""
    return {
        "DB_HOST": database.host,
        "DB_PORT": str(database.port),
        "DB_USER": database.user,
        "DB_PASSWORD": database.password,
        "DB_NAME": database.name,
    }


async def connect(database: Database) -> asyncpg.Connection:
    """Connect as a foreign client would, past our own adapters."""
    return await asyncpg.connect(
        host=database.host,
        port=database.port,
        user=database.user,
        password=database.password,
        database=database.name,
    )
