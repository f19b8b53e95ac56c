"""What the database has to be, whoever migrates it: checked before anything else is done there."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg

from adapters.postgres.schema.tables import VERSION_TABLE, metadata
from adapters.postgres.sessions.database import Database, milliseconds
from adapters.postgres.sessions.errors import translated
from adapters.postgres.sessions.pooler import require_servers_of_their_own, server_of, session_expected
from domain.errors import WrongDeployment

_ENCODING = """
SELECT current_setting('server_encoding') AS encoding, quote_ident(current_database()) AS database,
       quote_ident(current_database() || '_utf8') AS other, current_setting('TimeZone') AS zone
"""
# With the parts of a partitioned table, which may differ. In the given order, since a table may not become LOGGED
# before the one that it refers to.
_UNLOGGED = """
WITH RECURSIVE ours AS (
    SELECT to_regclass(name) AS oid, place FROM unnest($1::text[]) WITH ORDINALITY AS given (name, place)
    UNION ALL
    SELECT inhrelid::regclass, place FROM pg_inherits JOIN ours ON inhparent = ours.oid
)
SELECT ours.oid::text AS name FROM ours JOIN pg_class USING (oid) WHERE relpersistence = 'u' ORDER BY place
"""
_RISKS = {
    "fsync": "a crash of its machine may lose what was stored, or damage it",
    "full_page_writes": "a crash of its machine may damage what was stored, unless its disk writes pages whole",
}
_SETTINGS = "SELECT name, setting FROM pg_settings WHERE name = ANY($1::text[])"


async def require_usable(database: Database) -> None:
    """Raise `WrongDeployment` with the remedy where the database, or the way to it, does not do for the service."""
    async with checking(database) as session:
        await _require_utf8(session)
        await _require_logged(session)
        # The driver was told a number of the pooler's making.
        if session.get_server_pid() != await server_of(session):
            async with checking(database) as other:
                await require_servers_of_their_own(session, other)


async def durability_risks(database: Database) -> list[str]:
    """Say what is lost by which setting of the server."""
    async with checking(database) as session:
        found = dict(await session.fetch(_SETTINGS, [*_RISKS]))
    return [
        f"the database server runs with {name} = off: {risk}" for name, risk in _RISKS.items() if found[name] == "off"
    ]


@asynccontextmanager
async def checking(database: Database) -> AsyncIterator[asyncpg.Connection]:
    """Open a session to look at the database, in the time zone that this has itself; errors are the domain's."""
    limit = database.limits.connect
    with translated(), session_expected():
        session = await database.open(
            "user-events check", {"statement_timeout": milliseconds(limit)}, command_timeout=limit
        )
        try:
            yield session
        finally:
            session.terminate()


async def _require_utf8(session: asyncpg.Connection) -> None:
    found = await session.fetchrow(_ENCODING)
    if found["encoding"] != "UTF8":
        raise WrongDeployment(
            f"the database {found['database']} is encoded in {found['encoding']}, in which not every event can be "
            "stored: it has to be UTF8. With all writers stopped, make another as a superuser and copy everything into "
            f"it: CREATE DATABASE {found['other']} TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C'; "
            f"ALTER DATABASE {found['other']} SET timezone TO '{found['zone']}'; "
            f"in a shell: pg_dump --encoding=UTF8 {found['database']} | psql --set=ON_ERROR_STOP=1 {found['other']}; "
            f"then set DB_NAME={found['other']} (docs/operations.md, PostgreSQL)"
        )


async def _require_logged(session: asyncpg.Connection) -> None:
    """A crash of the server empties an UNLOGGED table."""
    tables = [*(table.name for table in metadata.sorted_tables), VERSION_TABLE]
    if found := [row["name"] for row in await session.fetch(_UNLOGGED, tables)]:
        remedy = "; ".join(f"ALTER TABLE {name} SET LOGGED" for name in found)
        raise WrongDeployment(
            f"UNLOGGED: {', '.join(found)}: a crash of the database server would empty this, and no standby has it. "
            f"In a quiet hour, since it is written anew: {remedy}"
        )
