"""Where the database is, and how a session is opened: straight to the server or through a connection pooler."""

import asyncio
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import asyncpg

from adapters.postgres.sessions import times
from adapters.postgres.sessions.errors import LOST, domain_error
from adapters.postgres.sessions.pooler import NoSession, session_expected
from domain.errors import Unavailable

_IN_FORCE = "SELECT name, setting FROM pg_settings WHERE name = ANY($1::text[])"


@dataclass(frozen=True, slots=True)
class Limits:
    """Time limits in seconds, each below the next, so that the innermost speaks first."""

    connect: float = 5.0
    lock: float = 10.0
    statement: float = 20.0
    batch: float = 25.0
    """By when the server must have answered, or the connection counts as lost."""


@dataclass(frozen=True, slots=True)
class Database:
    """Where the database is and how to reach it."""

    host: str
    port: int
    user: str
    password: str = field(repr=False)
    name: str
    tls: ssl.SSLContext | None = None
    """Not None: connect by TLS only, checked as the context says."""
    limits: Limits = Limits()
    password_source: Callable[[], str] | None = field(default=None, repr=False)
    """Where the password may change: asked for each session. An `OSError` that it raises is an outage."""

    async def open(
        self, application_name: str, settings: Mapping[str, str], *, command_timeout: float | None = None
    ) -> asyncpg.Connection:
        """Open a session with `settings` in force, written as the view `pg_settings` shows them.

        Errors are the domain's and name the address; `NoSession` where the settings are not in force afterwards.
        """
        where = f" (at {self.host}:{self.port})"
        try:
            with session_expected():
                async with asyncio.timeout(self.limits.connect):
                    session = await asyncpg.connect(
                        host=self.host,
                        port=self.port,
                        user=self.user,
                        password=self.password_source or self.password,
                        database=self.name,
                        ssl=self.tls or False,
                        command_timeout=command_timeout,
                        server_settings={"application_name": application_name},
                    )
                    try:
                        # The driver speaks no other encoding, whatever is set for the role.
                        await _put_in_force(session, {"client_encoding": "UTF8", **settings})
                        await times.adapt(session)
                    except BaseException:
                        session.terminate()
                        raise
                    return session
        except asyncpg.PostgresError as error:
            raise domain_error(error, where=where) from error
        except LOST as error:
            text = str(error) or f"no session within {self.limits.connect:g} s"
            raise Unavailable(f"database: {type(error).__name__}: {text}{where}") from error


async def _put_in_force(session: asyncpg.Connection, settings: Mapping[str, str]) -> None:
    """Set by SET: PgBouncer refuses most start parameters, or ignores them where it was told to."""
    await session.execute("; ".join(f"SET {name} TO '{value}'" for name, value in settings.items()))
    found = dict(await session.fetch(_IN_FORCE, list(settings)))
    for name, value in settings.items():
        if found.get(name) != value:
            raise NoSession(f"{name} is {found.get(name)} after it was set to {value}")


def milliseconds(seconds: float) -> str:
    """Write a time limit as `pg_settings` shows it."""
    return str(round(seconds * 1000))
