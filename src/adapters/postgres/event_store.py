"""The table of events."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Collection, Iterator, Sequence
from collections.abc import Set as AbstractSet
from contextlib import aclosing, asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Row, Select, cast, select, text, tuple_
from sqlalchemy.dialects.postgresql import TEXT
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from adapters.postgres import event_statements as statements
from adapters.postgres.engine import translated
from adapters.postgres.schema import events
from application.listing import PAGE_PAYLOAD, Cursor, EventFilter, Page, StoredEvent
from application.ports import BeforeCommit, Delivery, Verdict, at_once
from domain.errors import Unavailable

_FETCH_ROWS = 50
"""How many rows of a listing are asked for at a time, since nobody knows beforehand how large they are."""
_WARY_BATCHES = 20
EARLY_ROWS = 500
"""From how many on rows are written before their turn has come: a transaction that waits takes more round trips."""
_WAITING_SECONDS = 2.0
"""For how long rows may stand written and not committed, before they are written again in their turn."""
_SHOWING_SECONDS = 0.05
"""How long after its beginning a transaction may not show yet in `pg_stat_activity`."""

# Both in one transaction: it commits a write, and nobody ever sees the row.
_PROBE = (
    "INSERT INTO events (id, user_id, event_type) VALUES ($1, 'probe', 'LOGIN')",
    "DELETE FROM events WHERE id = $1",
)
# Of other roles' sessions only the existence is visible, neither what they are nor when their transactions began.
_OPEN_TRANSACTIONS = """
SELECT min(xact_start) AS oldest, bool_or(state IS NULL) AS hidden
FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid()
  AND (backend_type = 'client backend' OR backend_type IS NULL)
"""


class PostgresEventStore:
    """`EventStore` over the table `events`."""

    def __init__(self, engine: AsyncEngine, *, settle: float) -> None:
        """`settle`: within how many seconds every writer's transaction ends; `add` sees to it that its own does."""
        self._engine = engine
        self._settle = settle
        self._wary_for = 0
        """For how many batches more the ids are looked up before they are written."""
        self._takes_copies = True
        """Whether the table has refused no COPY so far."""
        self._is_held_up = False
        """Whether the last batch could not be written: a COPY that was abandoned may stand in the way."""
        self._under_way: list[AbstractSet[int]] = []
        """The ids of each call to `add` that has not ended."""
        self._beginning = asyncio.Lock()
        self._begun = 0
        """How many transactions that write have begun so far."""
        self._newest = 0
        """Of those that were committed, which one began last."""

    async def add(self, deliveries: Sequence[Delivery], before_commit: BeforeCommit = at_once) -> Sequence[Verdict]:
        try:
            return await self._add(deliveries, before_commit)
        except Unavailable:
            self._is_held_up = True
            raise

    async def _add(self, deliveries: Sequence[Delivery], before_commit: BeforeCommit) -> Sequence[Verdict]:
        first = {delivery.event.id.int: place for place, delivery in reversed([*enumerate(deliveries)])}
        # Sorted by id, so that writers of the same ids wait for each other instead of deadlocking.
        unique = [deliveries[place] for _, place in sorted(first.items())]
        with self._alone(first.keys()) as is_alone:
            is_plain = is_alone and len(unique) == len(deliveries)
            if is_plain and await self._copied(unique, before_commit):
                return [Verdict.STORED] * len(deliveries)
            await before_commit()
            async with self._session() as connection:
                written, number = await self._write(connection, unique)
                new = {first[each.int] for each in written}
                rest = [delivery for place, delivery in enumerate(deliveries) if place not in new]
                compared = iter(await statements.compare(connection, rest))
                await self._commit(connection, number)
        verdicts = [Verdict.STORED if place in new else next(compared) for place in range(len(deliveries))]
        if None in verdicts:
            raise Unavailable("database: a row was deleted while it was compared, or this role may not see it")
        return [verdict for verdict in verdicts if verdict is not None]

    @contextmanager
    def _alone(self, ids: AbstractSet[int]) -> Iterator[bool]:
        """Tell whether no call that has not ended has any of the ids: one of the two would wait for the other."""
        is_alone = all(map(ids.isdisjoint, self._under_way))
        self._under_way.append(ids)
        try:
            yield is_alone
        finally:
            self._under_way = [each for each in self._under_way if each is not ids]

    @asynccontextmanager
    async def _session(self) -> AsyncIterator[AsyncConnection]:
        """Take a session for as long as a writer's transaction may last."""
        with translated():
            # Cancelled when the time is up, the driver closes the connection: what was not committed never will be.
            async with asyncio.timeout(self._settle), self._engine.connect() as connection:
                if self._is_held_up:
                    await statements.end_abandoned(connection, self._settle)
                    self._is_held_up = False
                yield connection

    async def _begin(self, connection: AsyncConnection) -> int:
        """Begin a transaction that writes, and number it; those that begin later have younger rows."""
        async with self._beginning:
            self._begun += 1
            await statements.begin(connection)
            return self._begun

    async def _commit(self, connection: AsyncConnection, number: int) -> None:
        await connection.commit()
        self._newest = max(self._newest, number)

    async def _copied(self, unique: Sequence[Delivery], before_commit: BeforeCommit) -> bool:
        """Write all in one COPY, unless ids of late have been taken or one is now, or its commit has to wait long."""
        if self._wary_for:
            self._wary_for -= 1
            return False
        if not self._takes_copies:
            return False
        try:
            if len(unique) >= EARLY_ROWS:
                return await self._copied_early(unique, before_commit)
            await before_commit()
            await self._copy_in_turn(unique)
        except statements.Taken:
            # One taken id costs a whole COPY, and seldom comes alone.
            self._wary_for = _WARY_BATCHES
            return False
        except statements.CopyRefused:
            self._takes_copies = False
            return False
        return True

    async def _copied_early(self, unique: Sequence[Delivery], before_commit: BeforeCommit) -> bool:
        """Write first and wait then; False where others may be waiting for this meanwhile."""
        async with self._session() as connection:
            number = await self._begin(connection)
            await statements.copy(connection, unique)
            # What was to be committed before it may have been begun again since, and would look younger.
            if not await _soon(before_commit) or number < self._newest:
                return False
            await self._commit(connection, number)
            return True

    async def _copy_in_turn(self, unique: Sequence[Delivery]) -> None:
        """Write and commit in one round trip."""
        async with self._session() as connection, self._beginning:
            self._begun += 1
            await statements.copy(connection, unique)
            self._newest = self._begun

    async def _write(self, connection: AsyncConnection, unique: Sequence[Delivery]) -> tuple[Collection[UUID], int]:
        """Write what is new of events of which some may be known; answer the new ids, and the transaction's number."""
        number = await self._begin(connection)
        if not self._takes_copies:
            return await statements.insert(connection, unique), number
        known = await statements.known(connection, unique)
        new = [delivery for delivery in unique if delivery.event.id not in known]
        try:
            if new:
                await statements.copy(connection, new)
        except statements.NotCopied:
            # Another writer came in between, for instance, or it is not the id that is taken.
            await connection.rollback()
            number = await self._begin(connection)
            return await statements.insert(connection, unique), number
        return [delivery.event.id for delivery in new], number

    async def check(self, deliveries: Sequence[Delivery]) -> Sequence[Verdict | None]:
        with translated():
            async with self._engine.connect() as connection:
                return await statements.compare(connection, deliveries)

    async def page(self, wanted: EventFilter, after: Cursor | None, limit: int) -> Page:
        rows: list[StoredEvent] = []
        payload = 0
        with translated():
            async with self._engine.connect() as connection:
                for half in _listing(wanted, after):
                    # One row more than fits, to tell whether there are more.
                    async with aclosing(_streamed(connection, half.limit(limit + 1 - len(rows)))) as found:
                        async for row in found:
                            if len(rows) == limit or payload >= PAGE_PAYLOAD:
                                return Page(rows, Cursor(rows[-1].created_at, rows[-1].id))
                            rows.append(_stored(row))
                            payload += len(row.payload or "")
        return Page(rows, None)

    async def get(self, event_id: UUID) -> StoredEvent | None:
        with translated():
            async with self._engine.connect() as connection:
                row = (await connection.execute(_ROWS.where(events.c.id == event_id))).one_or_none()
        return None if row is None else _stored(row)

    async def settled_until(self) -> datetime:
        with translated():
            async with self._engine.connect() as connection:
                now: datetime = (await connection.execute(text("SELECT clock_timestamp()"))).scalar_one()
                # A transaction shows a moment after it began; one that begins from now on is later than now.
                await asyncio.sleep(_SHOWING_SECONDS)
                seen = (await connection.execute(text(_OPEN_TRANSACTIONS))).one()
        bound = now - timedelta(seconds=self._settle)
        return bound if seen.hidden else max(bound, min(now, seen.oldest or now))

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


_ROWS = select(
    events.c.id,
    events.c.user_id,
    events.c.event_type,
    cast(events.c.payload, TEXT).label("payload"),
    events.c.created_at,
    events.c.occurred_at,
)


async def _soon(before_commit: BeforeCommit) -> bool:
    """Wait, but not for long: others want the ids and the session, perhaps even what this waits for."""
    try:
        async with asyncio.timeout(_WAITING_SECONDS):
            await before_commit()
    except TimeoutError:
        return False
    return True


def _listing(wanted: EventFilter, after: Cursor | None) -> Sequence[Select[Any]]:
    """Build the halves of a listing: rows with a time, then those without; a half that must be empty is left out.

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
        return [dated] if bounded else [dated, undated]
    if after.created_at is None:
        return [] if bounded else [undated.where(table.id < after.id)]
    dated = dated.where(tuple_(table.created_at, table.id) < tuple_(_naive(after.created_at), after.id))
    return [dated] if bounded else [dated, undated]


async def _streamed(connection: AsyncConnection, listing: Select[Any]) -> AsyncGenerator[Row[Any], None]:
    async with connection.stream(listing, execution_options={"yield_per": _FETCH_ROWS}) as found:
        async for rows in found.partitions():
            for row in rows:
                yield row


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
