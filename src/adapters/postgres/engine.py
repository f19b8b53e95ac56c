"""The database engine, and what its errors mean."""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import asyncpg
from sqlalchemy import URL
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolExhausted
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from domain.errors import Rejected, Unavailable, WrongDeployment


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

    @property
    def url(self) -> URL:
        return URL.create(
            "postgresql+asyncpg", self.user, self.password, host=self.host, port=self.port, database=self.name
        )


def create_engine(database: Database, *, application_name: str, pool_size: int) -> AsyncEngine:
    """Make an engine whose sessions are in UTC and bounded in time; it connects on first use."""
    limits = database.limits
    return create_async_engine(
        database.url,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=limits.connect,
        pool_pre_ping=True,
        # An exception's text would otherwise hold the parameters: payloads.
        hide_parameters=True,
        connect_args={
            "ssl": database.tls or False,
            "timeout": limits.connect,
            "command_timeout": limits.batch,
            "server_settings": {
                "application_name": application_name,
                "timezone": "UTC",
                "lock_timeout": _milliseconds(limits.lock),
                "statement_timeout": _milliseconds(limits.statement),
                "idle_in_transaction_session_timeout": _milliseconds(limits.batch),
            },
        },
    )


def _milliseconds(seconds: float) -> str:
    return str(round(seconds * 1000))


@contextmanager
def translated() -> Iterator[None]:
    """Turn the driver's errors into the domain's, by SQLSTATE and never by text.

    What comes neither from the database nor from the network passes through: it is a bug of ours.
    """
    try:
        yield
    except DBAPIError as error:
        raise _meaning(error) from error.orig
    except asyncpg.PostgresError as error:
        # Of the driver itself, past SQLAlchemy.
        raise _told(error.sqlstate, error) from error
    except (OSError, TimeoutError, PoolExhausted) as error:
        # Connection refused escapes SQLAlchemy as it is. Its other errors tell of wrong use, never of an outage.
        raise Unavailable(f"database: {type(error).__name__}: {error}") from error


# Classes of SQLSTATE: https://www.postgresql.org/docs/current/errcodes-appendix.html
_NEVER_STORABLE = ("22", "23", "54000", "54001")
_WRONG_DEPLOYMENT = ("42", "3F000")


def _meaning(error: DBAPIError) -> Exception:
    cause = getattr(error.orig, "__cause__", None) or error.orig
    state = sqlstate(error)
    if state is None:
        if error.connection_invalidated or isinstance(cause, OSError | TimeoutError):
            return Unavailable(f"database: {type(cause).__name__}: {cause}")
        return cause if isinstance(cause, Exception) else error
    return _told(state, cause)


def _told(state: str, cause: object) -> Exception:
    """Turn what the server has told into one of the domain's errors."""
    text = f"database: SQLSTATE {state}: {getattr(cause, 'message', None) or type(cause).__name__}"
    if state.startswith(_NEVER_STORABLE):
        return Rejected(text)
    if state.startswith(_WRONG_DEPLOYMENT):
        return WrongDeployment(text)
    return Unavailable(text)


def sqlstate(error: DBAPIError) -> str | None:
    """Read the server's five-character code; None when the server did not speak."""
    state = getattr(error.orig, "sqlstate", None)
    return state if isinstance(state, str) else None
