"""Sessions for a transaction, or for a look; their errors are the domain's."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from adapters.postgres.sessions import durability
from adapters.postgres.sessions.errors import translated
from adapters.postgres.sessions.lock_holders import holders_told


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
        await durability.commit(connection)
