"""The engine: a pool of sessions that are in UTC, bounded in time, and replaced when they are no good."""

import math
import time
from functools import partial

from sqlalchemy import event
from sqlalchemy.engine import Dialect
from sqlalchemy.engine.interfaces import DBAPIConnection, ExceptionContext
from sqlalchemy.exc import InvalidatePoolError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry

from adapters.postgres.sessions import transactions
from adapters.postgres.sessions.database import Database, milliseconds
from adapters.postgres.sessions.errors import may_be_the_session

_TRUSTED_SECONDS = 1.0
"""For how long a session that was given back counts as good, unless it is known to be closed."""
_RETURNED_AT = "returned_at"
_RECYCLE_SECONDS = 600
"""After how long a session is replaced: its settings, and where its address led, are those of its start."""


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
    transactions.watch(engine)
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
