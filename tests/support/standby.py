"""A database server with a standby that its commits wait for."""

import asyncio
import os
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from adapters.postgres.sessions.database import Database
from entrypoints.dev.cluster import program
from entrypoints.dev.local_postgres import LocalPostgres
from tests.support.postgres import PostgresServer, connect, kill
from tests.support.waiting import eventually

_NAME = "standby"
_IS_IN_SYNC = "SELECT EXISTS (SELECT FROM pg_stat_replication WHERE application_name = $1 AND sync_state = 'sync')"


@dataclass(frozen=True)
class Replicated:
    """Two servers as processes of ours; a standby that is stopped keeps every commit on the primary waiting."""

    primary: LocalPostgres
    standby: LocalPostgres

    @property
    def server(self) -> PostgresServer:
        """The primary, as seen by one who may create databases."""
        return PostgresServer(_database(self.primary), self.primary)

    def on_standby(self, database: Database) -> Database:
        """The same database, on the standby."""
        return replace(database, port=self.standby.port)

    async def in_sync(self) -> None:
        """Return when commits on the primary can count on the standby."""

        async def is_in_sync() -> bool:
            connection = await connect(self.server.admin)
            try:
                return bool(await connection.fetchval(_IS_IN_SYNC, _NAME))
            finally:
                await connection.close()

        await eventually(is_in_sync, "a standby in sync")

    async def promote(self) -> None:
        """Lose the primary for good, and make the standby the primary, whether it runs or not."""
        await asyncio.to_thread(kill, self.primary)
        await asyncio.to_thread(self.standby.start)
        connection = await connect(_database(self.standby))
        try:
            assert await connection.fetchval("SELECT pg_promote()")
        finally:
            await connection.close()


@contextmanager
def replicated(options: Mapping[str, str]) -> Iterator[Replicated]:
    """Run a primary and its standby, with these settings besides."""
    with tempfile.TemporaryDirectory(prefix="user-events-replicated-") as directory:
        # A standby that was stopped is back at once.
        settings = {"wal_retrieve_retry_interval": "100ms", **options}
        primary, standby = (LocalPostgres(Path(directory) / name, options=settings) for name in ("primary", _NAME))
        with primary:
            _copy(primary, standby)
            with standby:
                servers = Replicated(primary, standby)
                asyncio.run(_synchronise(servers))
                yield servers


async def _synchronise(servers: Replicated) -> None:
    await servers.server.execute(f"ALTER SYSTEM SET synchronous_standby_names = '{_NAME}'")
    await servers.server.execute("SELECT pg_reload_conf()")
    await servers.in_sync()


def _copy(primary: LocalPostgres, standby: LocalPostgres) -> None:
    """Make the standby's cluster, which knows where its primary is."""
    standby.data_dir.mkdir()
    source = f"host={primary.host} port={primary.port} user={primary.user} password={primary.password}"
    command = [program("pg_basebackup"), "--pgdata", str(standby.cluster), "--write-recovery-conf"]
    command += ["--checkpoint=fast", "--dbname", f"{source} application_name={_NAME}"]
    subprocess.run(command, check=True, capture_output=True)
    (standby.data_dir / "postgres.password").write_text(primary.password)
    # As root the server is run by somebody else.
    owner = primary.cluster.stat()
    for path in (standby.cluster, *standby.cluster.rglob("*")):
        os.chown(path, owner.st_uid, owner.st_gid)


def _database(server: LocalPostgres) -> Database:
    return Database(server.host, server.port, server.user, server.password, server.database)
