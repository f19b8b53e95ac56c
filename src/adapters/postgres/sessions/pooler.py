"""How a connection pooler shows that lends the server's sessions for less than a client's."""

from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg

from domain.errors import WrongDeployment

_REMEDY = (
    "a connection pooler between this and the database does not keep a session for its client: set pool_mode = session "
    "in PgBouncer for this database or this user (docs/operations.md, PgBouncer)"
)
_PID = "SELECT pg_backend_pid()"
_LOOKS = 20
"""How often two sessions are compared: where others use the pooler too, a server is not shared at every look."""


class NoSession(WrongDeployment):
    """A connection pooler lends the server's sessions for less than a client's: limits, locks, notices get lost."""

    def __init__(self, seen: str) -> None:
        super().__init__(f"database: {seen}: {_REMEDY}")


@contextmanager
def session_expected() -> Iterator[None]:
    """Understand the errors of those who talk to a pooler as if it kept their session."""
    try:
        yield
    except (asyncpg.InvalidSQLStatementNameError, asyncpg.DuplicatePreparedStatementError) as error:
        raise NoSession("what was prepared in one session is executed in another") from error
    except asyncpg.ConnectionDoesNotExistError as error:
        # PgBouncer's own refusal, as of a transaction in the mode `statement`.
        if isinstance(error.__cause__, asyncpg.ProtocolViolationError):
            raise NoSession(str(error.__cause__)) from error
        raise


async def require_servers_of_their_own(one: asyncpg.Connection, other: asyncpg.Connection) -> None:
    """Raise `NoSession` where a pooler lends a server for a transaction only."""
    for _ in range(_LOOKS):
        first, second, again = await server_of(one), await server_of(other), await server_of(one)
        if first != again or first == second:
            raise NoSession("two sessions share the server's process")


async def server_of(session: asyncpg.Connection) -> int:
    """Tell which process of the database serves `session` at present."""
    async with session.transaction():
        pid: int = await session.fetchval(_PID)
    return pid
