"""Opens a session whose settings are in force, straight to the server or through a connection pooler."""

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import asyncpg

from adapters.postgres import times
from domain.errors import WrongDeployment

_REMEDY = (
    "a connection pooler between this and the database does not keep a session for its client: set pool_mode = session "
    "in PgBouncer for this database or this user (docs/operations.md, PgBouncer)"
)
_IN_FORCE = "SELECT name, setting FROM pg_settings WHERE name = ANY($1::text[])"


class NoSession(WrongDeployment):
    """A connection pooler lends the server's sessions for less than a client's: limits, locks, notices get lost."""

    def __init__(self, seen: str) -> None:
        super().__init__(f"database: {seen}: {_REMEDY}")


async def open_session(settings: Mapping[str, str], within: float, **arguments: Any) -> asyncpg.Connection:
    """Connect within `within` seconds and put `settings` in force, written as the view `pg_settings` shows them.

    They are set by SET: PgBouncer refuses most start parameters, or ignores them where it was told to. Raises
    `NoSession` when they are not in force afterwards.
    """
    async with asyncio.timeout(within):
        session = await asyncpg.connect(**arguments)
        try:
            await _put_in_force(session, settings)
            with session_expected():
                await times.adapt(session)
        except BaseException:
            session.terminate()
            raise
    return session


async def _put_in_force(session: asyncpg.Connection, settings: Mapping[str, str]) -> None:
    await session.execute("; ".join(f"SET {name} TO '{value}'" for name, value in settings.items()))
    with session_expected():
        found = dict(await session.fetch(_IN_FORCE, list(settings)))
    for name, value in settings.items():
        if found.get(name) != value:
            raise NoSession(f"{name} is {found.get(name)} after it was set to {value}")


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
