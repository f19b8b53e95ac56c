"""How events get into the table: one transaction a call."""

import asyncio
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from adapters.postgres.events import event_statements as statements
from adapters.postgres.sessions import transactions
from adapters.postgres.sessions.lock_holders import holders_told
from application.ports import Delivery, Outcome
from domain.errors import Declined, Unavailable

_WARY_BATCHES = 20


class EventWriter:
    """Adds events as `EventStore.add` promises."""

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

    async def add(self, deliveries: Sequence[Delivery]) -> Sequence[Outcome]:
        took_copies = self._takes_copies
        try:
            return await self._add(deliveries)
        except Unavailable:
            self._is_held_up = True
            raise
        except Exception:
            # It was not because it was a COPY that this was refused.
            self._takes_copies = took_copies
            raise

    async def _add(self, deliveries: Sequence[Delivery]) -> Sequence[Outcome]:
        first = {delivery.event.id.int: place for place, delivery in reversed([*enumerate(deliveries)])}
        # Sorted by id, so that writers of the same ids wait for each other instead of deadlocking.
        unique = [deliveries[place] for _, place in sorted(first.items())]
        if len(unique) == len(deliveries) and await self._copied(unique):
            return [Outcome.STORED] * len(deliveries)
        async with self._session() as connection:
            written = await self._write(connection, unique)
            new = {first[each.int] for each in written}
            rest = [delivery for place, delivery in enumerate(deliveries) if place not in new]
            compared = iter(await statements.compare(connection, rest))
            if not written:
                await transactions.rely_on_reads(connection)
            await transactions.commit(connection)
        outcomes = [Outcome.STORED if place in new else next(compared) for place in range(len(deliveries))]
        if None in outcomes:
            raise Declined(
                "database: a row was kept out by a trigger, or deleted meanwhile, or this role may not see it"
            )
        return [outcome for outcome in outcomes if outcome is not None]

    @asynccontextmanager
    async def _session(self) -> AsyncIterator[AsyncConnection]:
        """Take a session for as long as a writer's transaction may last."""
        async with holders_told(self._engine, of_events=True):
            # Cancelled when the time is up, the driver closes the connection: what was not committed never will be.
            async with asyncio.timeout(self._settle), self._engine.connect() as connection:
                if self._is_held_up:
                    await statements.end_abandoned(connection, self._settle)
                    self._is_held_up = False
                yield connection

    async def _copied(self, unique: Sequence[Delivery]) -> bool:
        """Write all in one COPY, one round trip, unless ids of late have been taken or one is now."""
        if self._wary_for:
            self._wary_for -= 1
            return False
        if not self._takes_copies:
            return False
        try:
            async with self._session() as connection:
                await statements.copy(connection, unique)
                await transactions.confirm(connection)
        except statements.Taken:
            # One taken id costs a whole COPY, and seldom comes alone.
            self._wary_for = _WARY_BATCHES
            return False
        except statements.CopyRefused:
            self._takes_copies = False
            return False
        return True

    async def _write(self, connection: AsyncConnection, unique: Sequence[Delivery]) -> Collection[UUID]:
        """Write what is new of events of which some may be known; return the new ids."""
        await statements.begin(connection)
        if not self._takes_copies:
            return await statements.insert(connection, unique)
        known = await statements.known(connection, unique)
        new = [delivery for delivery in unique if delivery.event.id not in known]
        try:
            if new:
                await statements.copy(connection, new)
        except statements.NotCopied:
            # Another writer came in between, for instance, or it is not the id that is taken.
            await connection.rollback()
            await statements.begin(connection)
            return await statements.insert(connection, unique)
        return [delivery.event.id for delivery in new]
