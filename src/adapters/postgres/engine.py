"""The database engine, and what its errors mean."""

import math
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial

import asyncpg
from sqlalchemy import event
from sqlalchemy.engine import Dialect
from sqlalchemy.engine.interfaces import DBAPIConnection, ExceptionContext
from sqlalchemy.exc import DBAPIError, InvalidatePoolError
from sqlalchemy.exc import TimeoutError as PoolExhausted
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry

from adapters.postgres import durability
from adapters.postgres.schema import metadata
from adapters.postgres.session import open_session, session_expected
from domain.errors import Declined, Rejected, Unavailable, WrongDeployment

_TRUSTED_SECONDS = 1.0
"""For how long a session that was given back counts as good, unless it is known to be closed."""
_RETURNED_AT = "returned_at"
_RECYCLE_SECONDS = 600
"""After how long a session is replaced: its settings, and where its address led, are those of its start."""
_LOST = (OSError, TimeoutError, asyncpg.InternalClientError)
"""The driver raises the last where a session is used that the server has said it ends, before the connection does."""


class LockTimeout(Declined):
    """Another transaction held a lock for longer than one may wait; `lock_holders` finds out whose."""


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
        """Open a session with `settings` in force, see `open_session`; errors are the domain's and name the address."""
        try:
            with session_expected():
                return await open_session(
                    # The driver speaks no other encoding, whatever is set for the role.
                    {"client_encoding": "UTF8", **settings},
                    self.limits.connect,
                    host=self.host,
                    port=self.port,
                    user=self.user,
                    password=self.password_source or self.password,
                    database=self.name,
                    ssl=self.tls or False,
                    command_timeout=command_timeout,
                    server_settings={"application_name": application_name},
                )
        except asyncpg.PostgresError as error:
            raise _told(error.sqlstate, error, where=f" (at {self.host}:{self.port})") from error
        except _LOST as error:
            text = str(error) or f"no session within {self.limits.connect:g} s"
            told = f"database: {type(error).__name__}: {text} (at {self.host}:{self.port})"
            raise Unavailable(told) from error


def create_engine(database: Database, *, application_name: str, pool_size: int) -> AsyncEngine:
    """Make an engine whose sessions are in UTC and bounded in time; it connects on first use."""
    limits = database.limits
    settings = {
        "TimeZone": "UTC",
        "lock_timeout": milliseconds(limits.lock),
        "statement_timeout": milliseconds(limits.statement),
        "idle_in_transaction_session_timeout": milliseconds(limits.batch),
    }
    engine = create_async_engine(
        "postgresql+asyncpg://",
        async_creator=partial(database.open, application_name, settings, command_timeout=limits.batch),
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=limits.connect,
        pool_recycle=_RECYCLE_SECONDS,
        # An exception's text would otherwise hold the parameters: payloads.
        hide_parameters=True,
    )
    durability.watch(engine)
    _check_sessions(engine)
    return engine


def _check_sessions(engine: AsyncEngine) -> None:
    """Replace a pooled session that is no good when it is taken out, or when that shows.

    Unlike `pool_pre_ping`, which asks every time: three round trips, in which a busy consumer's database does nothing.
    """
    dialect: Dialect = engine.dialect

    @event.listens_for(engine.sync_engine, "checkin")
    def note(_session: object, record: ConnectionPoolEntry) -> None:
        record.info[_RETURNED_AT] = time.monotonic()

    @event.listens_for(engine.sync_engine, "checkout")
    def check(session: DBAPIConnection, record: ConnectionPoolEntry, _proxy: object) -> None:
        driver = record.driver_connection
        # Still in a transaction, its COMMIT or ROLLBACK was refused: nobody knows of that transaction any more.
        if driver is None or driver.is_closed() or driver.is_in_transaction():
            raise InvalidatePoolError
        # A new one has never been returned.
        if time.monotonic() - record.info.get(_RETURNED_AT, math.inf) > _TRUSTED_SECONDS:
            try:
                dialect.do_ping(session)
            except dialect.loaded_dbapi.Error as error:
                raise InvalidatePoolError from error

    @event.listens_for(engine.sync_engine, "handle_error")
    def give_up(context: ExceptionContext) -> None:
        if may_be_the_session(context.original_exception):
            context.is_disconnect = True
            context.invalidate_pool_on_disconnect = False


def may_be_the_session(error: BaseException) -> bool:
    """Tell whether a new session may do better: then this one has to be closed, lest every retry fails like the first.

    The server of a session may be read-only, or a standby; its transaction may be another than the driver's; it keeps
    the search path, the role and the defaults that it began with, whatever was mended since.
    """
    return str(getattr(error, "sqlstate", None)).startswith(_OF_THE_SESSION)


def milliseconds(seconds: float) -> str:
    """Write a time limit as `pg_settings` shows it."""
    return str(round(seconds * 1000))


@contextmanager
def translated(*, of_events: bool = False) -> Iterator[None]:
    """Turn the driver's errors into the domain's, by SQLSTATE and never by text.

    `of_events`: whether events are being written, of which one may be `Rejected`. What comes neither from the database
    nor from the network passes through: it is a bug of ours.
    """
    try:
        yield
    except DBAPIError as error:
        meaning = _meaning(error, of_events=of_events)
        # The driver's own error is the cause of `orig`, which may not become its cause as well.
        raise meaning from None if meaning is _cause(error) else error.orig
    except asyncpg.PostgresError as error:
        # Of the driver itself, past SQLAlchemy.
        raise _told(error.sqlstate, error, of_events=of_events) from error
    except (*_LOST, PoolExhausted) as error:
        # Connection refused escapes SQLAlchemy as it is. Its other errors tell of wrong use, never of an outage.
        raise _unanswered(error) from error


# Classes of SQLSTATE: https://www.postgresql.org/docs/current/errcodes-appendix.html
# Transaction state (read-only among it), prepared statement, schema, access or name, internal error ("cannot assign
# TransactionIds during recovery").
_OF_THE_SESSION = ("25", "26", "3F", "42", "XX")
_WRONG_DEPLOYMENT = ("42", "3F000")
_LOCK_NOT_AVAILABLE = "55P03"
# What is about values, functions and triggers seldom passes by itself. A trigger may raise any other code as well: the
# list decides how soon an event is suspected, not whether it may be.
_ABOUT_VALUES = ("0A", "21", "22", "23", "2F", "38", "39", "44", "54", "P0")
_NOT_NULL_VIOLATION = "23502"
_ENDS_SESSION = {"FATAL", "PANIC"}


def _meaning(error: DBAPIError, *, of_events: bool) -> BaseException:
    state, cause = sqlstate(error), _cause(error)
    if state is not None:
        return _told(state, cause, of_events=of_events)
    if error.connection_invalidated or isinstance(cause, _LOST):
        return _unanswered(cause)
    return cause


def _unanswered(error: BaseException) -> Unavailable:
    """Tell a call that was given up, since it took too long, from a connection that is lost or was never made."""
    text = f"database: {type(error).__name__}: {error}".rstrip(": ")
    return Declined(text) if isinstance(error, TimeoutError) else Unavailable(text)


def _cause(error: DBAPIError) -> BaseException:
    """Find what the driver has raised itself, behind SQLAlchemy's wrappers."""
    return getattr(error.orig, "__cause__", None) or error.orig or error


def _told(state: str, cause: object, *, of_events: bool = False, where: str = "") -> Exception:
    """Turn what the server has told into one of the domain's errors."""
    text = f"database: SQLSTATE {state}: {getattr(cause, 'message', None) or type(cause).__name__}{where}"
    if state.startswith(_WRONG_DEPLOYMENT):
        return WrongDeployment(text)
    if state == _NOT_NULL_VIOLATION and (column := _foreign_column(cause)) is not None:
        return WrongDeployment(f"{text}; give the column {column} a default, or drop its NOT NULL")
    if getattr(cause, "severity_en", None) in _ENDS_SESSION:
        # The server's word on the session, as when it shuts down, not on the statement.
        return Unavailable(text)
    if state == _LOCK_NOT_AVAILABLE:
        return LockTimeout(text)
    return Rejected(text) if of_events and state.startswith(_ABOUT_VALUES) else Declined(text)


def _foreign_column(cause: object) -> str | None:
    """Name the column that a row of ours has no value for since somebody else has added it."""
    table, column = getattr(cause, "table_name", None), getattr(cause, "column_name", None)
    ours = metadata.tables.get(table) if table else None
    return None if ours is None or column is None or column in ours.c else str(column)


def sqlstate(error: DBAPIError) -> str | None:
    """Read the server's five-character code; None when the server did not speak."""
    state = getattr(_cause(error), "sqlstate", None)
    return state if isinstance(state, str) else None
