"""What the database has to be, whoever migrates it: checked before anything else is done there."""

from collections.abc import Awaitable, Callable
from functools import partial

import asyncpg

from adapters.postgres.engine import Database, milliseconds, translated
from adapters.postgres.session import NoSession, session_expected
from adapters.postgres.storage import require_logged, risks
from domain.errors import WrongDeployment

_ENCODING = """
SELECT current_setting('server_encoding') AS encoding, quote_ident(current_database()) AS database,
       quote_ident(current_database() || '_utf8') AS other, current_setting('TimeZone') AS zone
"""
_PID = "SELECT pg_backend_pid()"
_LOOKS = 20
"""How often two sessions are compared: where others use the pooler too, a server is not shared at every look."""


async def require_usable(database: Database) -> None:
    """Raise `WrongDeployment` with the remedy where the database, or the way to it, does not do for the service."""
    open_ = _opening(database)
    with translated(), session_expected():
        session = await open_()
        try:
            await _require_utf8(session)
            await require_logged(session)
            # The driver was told a number of the pooler's making.
            if session.get_server_pid() != await _server_of(session):
                other = await open_()
                try:
                    await _require_servers_of_their_own(session, other)
                finally:
                    other.terminate()
        finally:
            session.terminate()


async def durability_risks(database: Database) -> list[str]:
    """Say what is lost by which setting of the server."""
    with translated(), session_expected():
        session = await _opening(database)()
        try:
            return await risks(session)
        finally:
            session.terminate()


def _opening(database: Database) -> Callable[[], Awaitable[asyncpg.Connection]]:
    # The time zone stays the database's own.
    settings = {"statement_timeout": milliseconds(database.limits.connect)}
    return partial(database.open, "user-events check", settings, command_timeout=database.limits.connect)


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


async def _require_servers_of_their_own(one: asyncpg.Connection, other: asyncpg.Connection) -> None:
    """Find out a pooler that lends a server for a transaction only."""
    for _ in range(_LOOKS):
        first, second, again = await _server_of(one), await _server_of(other), await _server_of(one)
        if first != again or first == second:
            raise NoSession("two sessions share the server's process")


async def _server_of(session: asyncpg.Connection) -> int:
    """Tell which process of the database serves `session` at present."""
    async with session.transaction():
        pid: int = await session.fetchval(_PID)
    return pid
