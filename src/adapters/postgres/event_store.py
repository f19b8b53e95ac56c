"""The table of events."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Row, Select, cast, select, text, tuple_
from sqlalchemy.dialects.postgresql import TEXT
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from adapters.postgres.engine import translated
from adapters.postgres.schema import events
from application.ports import Cursor, Delivery, EventFilter, StoredEvent, Verdict
from domain.errors import Unavailable
from domain.event import UserEvent

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
SELECT given.place,
       stored.user_id = given.user_id AND stored.event_type = given.event_type
       AND coalesce(nullif(stored.payload, 'null'), '{}') = given.payload::jsonb AS same
FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[]) WITH ORDINALITY
     AS given (id, user_id, event_type, payload, place)
JOIN events AS stored ON stored.id = given.id
"""
# Both in one transaction: it commits a write, and nobody ever sees the row.
_PROBE = (
    "INSERT INTO events (id, user_id, event_type) VALUES ($1, 'probe', 'LOGIN')",
    "DELETE FROM events WHERE id = $1",
)
# Of other roles' sessions only the existence is visible, not when their transactions began.
_OPEN_TRANSACTIONS = """
SELECT CURRENT_TIMESTAMP AS now, min(xact_start) AS oldest, bool_or(state IS NULL) AS hidden
FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
"""


class PostgresEventStore:
    """`EventStore` over the table `events`."""

    def __init__(self, engine: AsyncEngine, *, settle: float) -> None:
        """`settle`: within how many seconds every writer's transaction ends, see `settled_until`."""
        self._engine = engine
        self._settle = settle

    async def add(self, deliveries: Sequence[Delivery[UserEvent]]) -> Sequence[Verdict]:
        first: dict[UUID, int] = {}
        for place, delivery in enumerate(deliveries):
            first.setdefault(delivery.content.id, place)
        with translated():
            async with self._engine.begin() as connection:
                inserted = await _insert(connection, [deliveries[place] for place in sorted(first.values())])
                if len(inserted) == len(deliveries):
                    return [Verdict.STORED] * len(deliveries)
                verdicts = dict.fromkeys((first[each] for each in inserted), Verdict.STORED)
                rest = [place for place in range(len(deliveries)) if place not in verdicts]
                verdicts |= await _compare(connection, deliveries, rest)
        return [verdicts[place] for place in range(len(deliveries))]

    async def page(self, wanted: EventFilter, after: Cursor | None, limit: int) -> Sequence[StoredEvent]:
        dated, undated = _listing(wanted, after)
        with translated():
            async with self._engine.connect() as connection:
                rows = list(await connection.execute(dated.limit(limit))) if dated is not None else []
                if undated is not None and len(rows) < limit:
                    rows += await connection.execute(undated.limit(limit - len(rows)))
        return [_stored(row) for row in rows]

    async def get(self, event_id: UUID) -> StoredEvent | None:
        with translated():
            async with self._engine.connect() as connection:
                row = (await connection.execute(_ROWS.where(events.c.id == event_id))).one_or_none()
        return None if row is None else _stored(row)

    async def settled_until(self) -> datetime:
        with translated():
            async with self._engine.connect() as connection:
                seen = (await connection.execute(text(_OPEN_TRANSACTIONS))).one()
        now: datetime = seen.now
        oldest: datetime = seen.oldest or now
        bound = now - timedelta(seconds=self._settle)
        return bound if seen.hidden else max(bound, min(now, oldest))

    async def ping(self) -> None:
        with translated():
            async with self._engine.connect() as connection:
                await connection.execute(text("SELECT 1"))

    async def probe(self) -> None:
        canary = uuid4()
        with translated():
            async with self._engine.begin() as connection:
                for statement in _PROBE:
                    await connection.exec_driver_sql(statement, (canary,))


async def _insert(connection: AsyncConnection, deliveries: Sequence[Delivery[UserEvent]]) -> Sequence[UUID]:
    """Insert deliveries with distinct ids; answer the ids that were new."""
    records = [delivery.record for delivery in deliveries]
    rows = await connection.exec_driver_sql(
        _INSERT,
        (
            *_contents(deliveries),
            [delivery.content.occurred_at for delivery in deliveries],
            [record.partition for record in records],
            [record.offset for record in records],
        ),
    )
    return rows.scalars().all()


async def _compare(
    connection: AsyncConnection, deliveries: Sequence[Delivery[UserEvent]], places: Sequence[int]
) -> dict[int, Verdict]:
    """Tell duplicates from conflicts among the deliveries at `places`, whose ids all stand in the table."""
    rows = await connection.exec_driver_sql(_COMPARE, _contents([deliveries[place] for place in places]))
    verdicts = {places[row.place - 1]: Verdict.DUPLICATE if row.same else Verdict.CONFLICT for row in rows}
    if len(verdicts) != len(places):
        raise Unavailable("database: a row was deleted while it was compared")
    return verdicts


def _contents(deliveries: Sequence[Delivery[UserEvent]]) -> tuple[list[object], ...]:
    events_ = [delivery.content for delivery in deliveries]
    return (
        [event.id for event in events_],
        [event.user_id for event in events_],
        [event.event_type.value for event in events_],
        [event.payload.decode() for event in events_],
    )


_ROWS = select(
    events.c.id,
    events.c.user_id,
    events.c.event_type,
    cast(events.c.payload, TEXT).label("payload"),
    events.c.created_at,
    events.c.occurred_at,
)


def _listing(wanted: EventFilter, after: Cursor | None) -> tuple[Select[Any] | None, Select[Any] | None]:
    """Build the two halves of a listing: rows with a time, then those without; None for a half that is empty.

    Two statements, since an index serves each of them and none serves `NULLS LAST` across both.
    """
    table = events.c
    chosen = _ROWS
    if wanted.user_id is not None:
        chosen = chosen.where(table.user_id == wanted.user_id)
    if wanted.event_type is not None:
        chosen = chosen.where(table.event_type == wanted.event_type.value)
    dated = chosen.where(table.created_at.is_not(None)).order_by(table.created_at.desc(), table.id.desc())
    undated = chosen.where(table.created_at.is_(None)).order_by(table.id.desc())
    if wanted.since is not None:
        dated = dated.where(table.created_at >= _naive(wanted.since))
    if wanted.until is not None:
        dated = dated.where(table.created_at < _naive(wanted.until))
    bounded = wanted.since is not None or wanted.until is not None
    if after is None:
        return dated, None if bounded else undated
    if after.created_at is None:
        return None, None if bounded else undated.where(table.id < after.id)
    place = tuple_(table.created_at, table.id) < tuple_(_naive(after.created_at), after.id)
    return dated.where(place), None if bounded else undated


def _stored(row: Row[Any]) -> StoredEvent:
    return StoredEvent(
        row.id, row.user_id, row.event_type, row.payload, _aware(row.created_at), _aware(row.occurred_at)
    )


def _aware(moment: datetime | None) -> datetime | None:
    """Read a time in UTC; the driver hands out the calendar's first and last as infinite ones, without a time zone."""
    return None if moment is None else moment.replace(tzinfo=UTC)


def _naive(moment: datetime) -> datetime:
    """The column `created_at` has no time zone; its values are in UTC."""
    return moment.astimezone(UTC).replace(tzinfo=None)
