"""Find out whether the table takes another event at this moment: then one that it refuses is refused for itself."""

from datetime import UTC, datetime
from uuid import uuid4

import asyncpg
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from adapters.postgres.events import event_statements as statements
from adapters.postgres.events.printed_payloads import ROWS, Printer
from adapters.postgres.schema.tables import events
from adapters.postgres.sessions import transactions
from adapters.postgres.sessions.lock_holders import holders_told
from adapters.records.log_record import LogRecord
from application.ports import Delivery, Outcome
from domain.errors import Declined, Rejected, WrongDeployment
from domain.event import UserEvent
from domain.event_types import LEGACY_TYPES, EventType, EventTypes

_DATA_EXCEPTION = "22"
_MORE_THAN_AN_OFFSET_BITS = 128 - 62


async def store_canary(engine: AsyncEngine, types: EventTypes) -> None:
    """Write an event as others are written, without leaving a row; raises why the table refuses it.

    What is made up may violate a rule that real events keep, and what is like a stored event one that all have to
    differ: it is enough if one of the two is taken. Both have one of the accepted `types`.
    """
    first, *_ = *types.names, *LEGACY_TYPES.names
    stored = ROWS if types.accepts_any else ROWS.where(events.c.event_type.in_(types.names))
    try:
        await _store(engine, _canary("canary", first, b"{}"))
    except (Rejected, Declined, WrongDeployment):
        async with holders_told(engine), engine.connect() as connection:
            found = (await connection.execute(stored.limit(1))).all()
            like = await Printer(connection).stored(0, found) if found else None
        if like is None:
            raise
        await _store(engine, _canary(like.user_id, EventType(like.event_type), (like.payload or "{}").encode()))


def _canary(user_id: str, event_type: EventType, payload: bytes) -> Delivery:
    identity = uuid4()
    # Its place is nobody else's either.
    record = LogRecord("canary", 0, identity.int >> _MORE_THAN_AN_OFFSET_BITS, 0, None, None, ())
    return Delivery(record, UserEvent(identity, user_id, event_type, datetime.now(UTC), payload))


async def _store(engine: AsyncEngine, canary: Delivery) -> None:
    async with holders_told(engine, of_events=True), engine.connect() as connection:
        await statements.begin(connection)
        await connection.exec_driver_sql("SAVEPOINT canary")
        await _write(connection, canary)
        if await statements.compare(connection, [canary]) != [Outcome.DUPLICATE]:
            raise Declined("database: a trigger keeps every row out, or this role may not see it")
        await connection.exec_driver_sql("SET CONSTRAINTS ALL IMMEDIATE")
        # Nobody ever sees the row, but the commit is one of a transaction that has written.
        await connection.exec_driver_sql("ROLLBACK TO SAVEPOINT canary")
        await transactions.commit(connection)


async def _write(connection: AsyncConnection, canary: Delivery) -> None:
    try:
        await statements.copy(connection, [canary])
    except statements.NotCopied:
        await connection.exec_driver_sql("ROLLBACK TO SAVEPOINT canary")
        await statements.insert(connection, [canary])
    except asyncpg.PostgresError as error:
        if str(error.sqlstate).startswith(_DATA_EXCEPTION):
            # The session may remember types that the columns had before; a new one looks.
            await connection.invalidate()
        raise
    except (asyncpg.InterfaceError, TypeError, ValueError) as error:
        # The driver cannot write what is sound.
        raise WrongDeployment(f"database: the columns of the table events have other types: {error}") from error
