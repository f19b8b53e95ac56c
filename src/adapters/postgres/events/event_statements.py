"""The statements that write and compare events, each over one connection."""

import asyncio
from collections.abc import Coroutine, Iterator, Sequence
from uuid import UUID

import asyncpg
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.postgres.schema.tables import EVENTS
from adapters.postgres.sessions.errors import may_be_the_session
from application.ports import Delivery, Outcome

_STATEMENT_BYTES = 32 * 1024 * 1024
"""From how many bytes of payload on a statement takes no more events; the server refuses messages of 1 GiB."""
_COLUMNS = ("id", "user_id", "event_type", "payload", "occurred_at", "log_partition", "log_offset")
_CONTENT_COLUMNS = 4
_KNOWN = "SELECT id FROM events WHERE id = ANY($1::uuid[])"
# Sorted by id, so that writers of the same ids wait for each other instead of deadlocking. The conflict target is
# named: a violation of any other constraint must not pass for a duplicate.
_INSERT = """
INSERT INTO events (id, user_id, event_type, payload, occurred_at, log_partition, log_offset)
SELECT id, user_id, event_type, payload::jsonb, occurred_at, log_partition, log_offset
FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::timestamptz[], $6::int[], $7::bigint[])
     AS given (id, user_id, event_type, payload, occurred_at, log_partition, log_offset)
ORDER BY id
ON CONFLICT (id) DO NOTHING
RETURNING id
"""
# A later statement of the same READ COMMITTED transaction: it sees the row that stood in the way, whoever wrote it.
_COMPARE = """
SELECT CASE WHEN stored.id IS NOT NULL THEN
           stored.user_id = given.user_id AND stored.event_type = given.event_type
           AND coalesce(nullif(stored.payload, 'null'), '{}') = given.payload::jsonb
       END AS same
FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[]) WITH ORDINALITY
     AS given (id, user_id, event_type, payload, place)
LEFT JOIN events AS stored ON stored.id = given.id
ORDER BY given.place
"""
# No limit of the server's ends a COPY that waits for its client, and whoever writes the same ids waits for the COPY.
_END_ABANDONED = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND usename = current_user AND state = 'active' AND wait_event = 'ClientRead'
  AND starts_with(query, 'COPY "events"') AND query_start < clock_timestamp() - make_interval(secs => $1)
"""
_OUTCOMES = {True: Outcome.DUPLICATE, False: Outcome.CONFLICT, None: None}


class NotCopied(Exception):
    """Not all was written, and another way of writing may do better."""


class Taken(NotCopied):
    """A value that has to be unique stands in the table already, an id most probably.

    Or a trigger of somebody else's kept rows out.
    """


class CopyRefused(NotCopied):
    """The table takes no COPY, as under row-level security."""


async def begin(connection: AsyncConnection) -> None:
    """Begin the transaction: now is the `created_at` of what it writes."""
    # SQLAlchemy begins one with the first statement that it is given itself, and a COPY is given to the driver.
    await connection.exec_driver_sql("SELECT 1")


async def copy(connection: AsyncConnection, deliveries: Sequence[Delivery]) -> None:
    """Write deliveries in one COPY, a transaction of its own unless one was begun.

    Raises `NotCopied`, and the driver's own errors.
    """
    driver = (await connection.get_raw_connection()).driver_connection
    assert driver is not None
    try:
        written = await _ended_with(
            driver, driver.copy_records_to_table(EVENTS, columns=_COLUMNS, records=map(_row, deliveries))
        )
    except asyncpg.UniqueViolationError as error:
        raise Taken from error
    except asyncpg.FeatureNotSupportedError as error:
        raise CopyRefused from error
    except BaseException as error:
        # The pool does not see what happens here; cut short, the COPY might even be committed later.
        if driver.is_closed() or not isinstance(error, asyncpg.PostgresError) or may_be_the_session(error):
            await connection.invalidate()
        raise
    if written != f"COPY {len(deliveries)}":
        raise Taken


async def _ended_with(driver: asyncpg.Connection, copying: Coroutine[None, None, str]) -> str:
    """Await a COPY, but no longer than its connection lasts: the driver may wait for that to take more even then."""
    task, this = asyncio.create_task(copying), asyncio.current_task()

    def end(_driver: object) -> None:
        task.cancel()

    driver.add_termination_listener(end)
    try:
        return await task
    except asyncpg.PostgresError:
        raise
    except (Exception, asyncio.CancelledError) as error:
        if not driver.is_closed():
            raise
        # What the driver raises then depends on the loop and on what it was at, even where this itself is cancelled.
        if this is not None and this.cancelling():
            raise asyncio.CancelledError from error
        raise ConnectionResetError(f"{type(error).__name__}: {error}") from error
    finally:
        driver.remove_termination_listener(end)


async def end_abandoned(connection: AsyncConnection, age: float) -> None:
    """End what `copy` has left behind where its process froze or its network is gone; `age` in seconds."""
    await connection.exec_driver_sql(_END_ABANDONED, (age,))
    await connection.commit()


async def known(connection: AsyncConnection, deliveries: Sequence[Delivery]) -> set[UUID]:
    """Answer those of the ids that stand in the table."""
    rows = await connection.exec_driver_sql(_KNOWN, ([delivery.event.id for delivery in deliveries],))
    return set(rows.scalars())


async def insert(connection: AsyncConnection, deliveries: Sequence[Delivery]) -> list[UUID]:
    """Insert deliveries with distinct ids, sorted by id, where these are new; answer the new ones."""
    new: list[UUID] = []
    for columns in _parts(deliveries):
        new += (await connection.exec_driver_sql(_INSERT, columns)).scalars()
    return new


async def compare(connection: AsyncConnection, deliveries: Sequence[Delivery]) -> list[Outcome | None]:
    """Tell duplicates, conflicts and what does not stand in the table, in order."""
    outcomes: list[Outcome | None] = []
    for columns in _parts(deliveries):
        rows = await connection.exec_driver_sql(_COMPARE, columns[:_CONTENT_COLUMNS])
        outcomes += [_OUTCOMES[same] for same in rows.scalars()]
    return outcomes


def _row(delivery: Delivery) -> tuple[object, ...]:
    """Render the values of `_COLUMNS`."""
    record, (event_id, user_id, event_type, occurred_at, payload) = delivery
    return event_id, user_id, event_type, payload.decode(), occurred_at, record.partition, record.offset


def _parts(deliveries: Sequence[Delivery]) -> Iterator[tuple[list[object], ...]]:
    """Cut `deliveries` into as much as one statement takes, an array of values for each of `_COLUMNS`."""
    start = size = 0
    for place, delivery in enumerate(deliveries, 1):
        size += len(delivery.event.payload)
        if size >= _STATEMENT_BYTES or place == len(deliveries):
            yield tuple(map(list, zip(*map(_row, deliveries[start:place]), strict=True)))
            start, size = place, 0
