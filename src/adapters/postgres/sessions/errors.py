"""What the database's errors mean: the domain's errors, by SQLSTATE and never by text."""

from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolExhausted

from adapters.postgres.schema.tables import metadata
from domain.errors import Declined, Rejected, Unavailable, WrongDeployment

LOST = (OSError, TimeoutError, asyncpg.InternalClientError)
"""The driver raises the last where a session is used that the server has said it ends, before the connection does."""
LOCK_NOT_AVAILABLE = "55P03"

# Classes of SQLSTATE: https://www.postgresql.org/docs/current/errcodes-appendix.html
# Transaction state (read-only among it), prepared statement, schema, access or name, internal error ("cannot assign
# TransactionIds during recovery").
_OF_THE_SESSION = ("25", "26", "3F", "42", "XX")
_WRONG_DEPLOYMENT = ("42", "3F000")
# What is about values, functions and triggers seldom passes by itself. A trigger may raise any other code as well: the
# list decides how soon an event is suspected, not whether it may be.
_ABOUT_VALUES = ("0A", "21", "22", "23", "2F", "38", "39", "44", "54", "P0")
_NOT_NULL_VIOLATION = "23502"
_ENDS_SESSION = {"FATAL", "PANIC"}


class LockTimeout(Declined):
    """Another transaction held a lock for longer than one may wait; `lock_holders` finds out whose."""


@contextmanager
def translated(*, of_events: bool = False) -> Iterator[None]:
    """Turn the driver's errors, through SQLAlchemy or past it, into the domain's.

    `of_events`: whether events are being written, of which one may be `Rejected`. What comes neither from the database
    nor from the network passes through: it is a bug of ours.
    """
    try:
        yield
    except (DBAPIError, asyncpg.PostgresError, PoolExhausted, *LOST) as error:
        cause = _driver_error(error)
        if isinstance(cause, asyncpg.PostgresError):
            raise domain_error(cause, of_events=of_events) from cause
        if not isinstance(cause, (PoolExhausted, *LOST)) and not getattr(error, "connection_invalidated", False):
            raise cause from None
        # A call that was given up since it took too long, or a connection that is lost or was never made.
        text = f"database: {type(cause).__name__}: {cause}".rstrip(": ")
        raise (Declined(text) if isinstance(cause, TimeoutError) else Unavailable(text)) from cause


def may_be_the_session(error: BaseException) -> bool:
    """Tell whether a new session may do better: then this one has to be closed, lest every retry fails like the first.

    The server of a session may be read-only, or a standby; its transaction may be another than the driver's; it keeps
    the search path, the role and the defaults that it began with, whatever was mended since.
    """
    return (sqlstate(error) or "").startswith(_OF_THE_SESSION)


def sqlstate(error: BaseException) -> str | None:
    """Read the server's five-character code; None when the server did not speak."""
    state = getattr(_driver_error(error), "sqlstate", None)
    return state if isinstance(state, str) else None


def domain_error(error: asyncpg.PostgresError, *, of_events: bool = False, where: str = "") -> Exception:
    """Turn what the server has told into one of the domain's errors."""
    state = error.sqlstate
    text = f"database: SQLSTATE {state}: {error.message or type(error).__name__}{where}"
    if state.startswith(_WRONG_DEPLOYMENT):
        return WrongDeployment(text)
    if state == _NOT_NULL_VIOLATION and (column := _foreign_column(error)) is not None:
        return WrongDeployment(f"{text}; give the column {column} a default, or drop its NOT NULL")
    if error.severity_en in _ENDS_SESSION:
        # The server's word on the session, as when it shuts down, not on the statement.
        return Unavailable(text)
    if state == LOCK_NOT_AVAILABLE:
        return LockTimeout(text)
    return Rejected(text) if of_events and state.startswith(_ABOUT_VALUES) else Declined(text)


def _driver_error(error: BaseException) -> BaseException:
    """Find what the driver has raised itself, behind SQLAlchemy's wrappers."""
    wrapped = error.orig if isinstance(error, DBAPIError) else None
    return getattr(wrapped, "__cause__", None) or wrapped or error


def _foreign_column(error: asyncpg.PostgresError) -> str | None:
    """Name the column that a row of ours has no value for since somebody else has added it."""
    ours = metadata.tables.get(error.table_name or "")
    return None if ours is None or error.column_name in {None, *ours.c.keys()} else str(error.column_name)
