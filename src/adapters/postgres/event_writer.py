"""How events get into the table: one transaction a call, in the order of the calls."""

import asyncio
from collections.abc import AsyncIterator, Collection, Iterator, Sequence
from collections.abc import Set as AbstractSet
from contextlib import asynccontextmanager, contextmanager
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from adapters.postgres import durability
from adapters.postgres import event_statements as statements
from adapters.postgres.lock_holders import holders_told
from application.ports import BeforeCommit, Delivery, Verdict
from domain.errors import Declined, Unavailable

_WARY_BATCHES = 20
EARLY_ROWS = 500
"""From how many on rows are written before their turn has come: a transaction that waits takes more round trips."""
_WAITING_SECONDS = 2.0
"""For how long rows may stand written and not committed, before they are written again in their turn."""


class EventWriter:
    """Adds events as `EventStore.add` promises."""

    def __init__(self, engine: AsyncEngine, *, settle: float) -> None:
        """`settle`: within how many seconds each transaction ends."""
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

    async def add(self, deliveries: Sequence[Delivery], before_commit: BeforeCommit) -> Sequence[Verdict]:
        """Store what is new; see the port."""
        took_copies = self._takes_copies
        try:
            return await self._add(deliveries, before_commit)
        except Unavailable:
            self._is_held_up = True
            raise
        except Exception:
            # It was not because it was a COPY that this was refused.
            self._takes_copies = took_copies
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
                if not written:
                    await durability.rely_on_reads(connection)
                await self._commit(connection, number)
        verdicts = [Verdict.STORED if place in new else next(compared) for place in range(len(deliveries))]
        if None in verdicts:
            raise Declined(
                "database: a row was kept out by a trigger, or deleted meanwhile, or this role may not see it"
            )
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
        async with holders_told(self._engine, of_events=True):
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
        await durability.commit(connection)
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
            await durability.confirm(connection)
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


async def _soon(before_commit: BeforeCommit) -> bool:
    """Wait, but not for long: others want the ids and the session, perhaps even what this waits for."""
    try:
        async with asyncio.timeout(_WAITING_SECONDS):
            await before_commit()
    except TimeoutError:
        return False
    return True
