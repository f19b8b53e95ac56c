"""Transactions, and when a commit counts: once it is on the disk and on the synchronous standbys, if there are any.

Rows are visible also where that wait was cut short: by a time limit, an administrator, a crash. And a transaction that
writes nothing waits for nobody. So whoever acts on what it has merely read writes a message to the write-ahead log and
waits for that; all that was visible stands before it there.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy import event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from sqlalchemy.pool import ConnectionPoolEntry

from adapters.postgres.sessions.errors import translated
from adapters.postgres.sessions.lock_holders import holders_told
from domain.errors import Unavailable

# `off` would answer before the disk has it; any other value is stronger, or the operator's choice among standbys.
# Warnings are asked for since a cancelled wait shows in nothing else.
_SETTINGS = """
SELECT set_config('synchronous_commit', CASE mode WHEN 'off' THEN 'on' ELSE mode END, FALSE),
       set_config('client_min_messages', 'warning', FALSE)
FROM current_setting('synchronous_commit') AS mode
"""
_MESSAGE = "SELECT pg_logical_emit_message(TRUE, 'user-events', '')"
_WARNED = "warned"


def watch(engine: AsyncEngine) -> None:
    """Have the commits of the engine's sessions wait, and their warnings noted."""

    @event.listens_for(engine.sync_engine, "connect")
    def begin(session: DBAPIConnection, record: ConnectionPoolEntry) -> None:
        driver = record.driver_connection
        assert driver is not None

        def note(_driver: object, message: object) -> None:
            if getattr(message, "severity_en", None) == "WARNING":
                record.info[_WARNED] = True

        driver.add_log_listener(note)
        try:
            session.run_async(lambda each: each.execute(_SETTINGS))
        except BaseException:
            driver.terminate()
            raise


@asynccontextmanager
async def reading(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """Take a session that commits nothing."""
    with translated():
        async with engine.connect() as connection:
            yield connection


@asynccontextmanager
async def begin(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """Begin a transaction, committed in the end; an error names who held a lock too long."""
    async with holders_told(engine), engine.connect() as connection:
        yield connection
        await commit(connection)


async def rely_on_reads(connection: AsyncConnection) -> None:
    """Have the commit of a transaction that has written nothing wait for what it read, as if it had written that."""
    await connection.exec_driver_sql(_MESSAGE)


async def commit(connection: AsyncConnection) -> None:
    """Commit; on return all that the transaction wrote counts."""
    await connection.commit()
    await confirm(connection)


async def confirm(connection: AsyncConnection) -> None:
    """Return once the last commit counts, of which the server has reported success.

    It does so also where the wait was cancelled, beside a warning. As a warning may mean anything, it only costs
    another wait.
    """
    if connection.info.pop(_WARNED, False):
        await rely_on_reads(connection)
        await connection.commit()
        if connection.info.pop(_WARNED, False):
            raise Unavailable("database: the wait for a synchronous standby was cancelled")
