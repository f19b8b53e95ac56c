"""The index of dead letters."""

from collections.abc import AsyncIterable, Sequence
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.postgres.dead_letters.audit_log import add_entry
from adapters.postgres.dead_letters.choice import Parameters, chosen, is_text, skipped
from adapters.postgres.dead_letters.index import changes, noting, previewing, reading, rebuilding
from adapters.postgres.dead_letters.locks import lock_index, lock_index_alone
from adapters.postgres.sessions import transactions
from application.dead_letters.letters import (
    Edit,
    LetterCursor,
    LetterFilter,
    LetterGroup,
    LetterInFull,
    LetterPage,
    LetterState,
    ReadLetter,
)
from application.dead_letters.orders import Action, NewEntry, Order, Preview
from domain.event import UserEvent

# 1, 2, 4, … 256, 360 minutes.
_DUE = """
SELECT letter.id FROM dead_letters AS letter
WHERE letter.state = '{dead}' AND letter.kind = $1 AND {skipped} IS NULL
  AND letter.failed_at <= clock_timestamp() - make_interval(mins => least(1 << least(letter.replays, 20), 360))
ORDER BY letter.failed_at, letter.id LIMIT $2
"""


class PostgresDeadLetterIndex:
    """`DeadLetterIndex` over the table `dead_letters` and those around it."""

    def __init__(self, engine: AsyncEngine, topic: str) -> None:
        """`topic`: the events' topic, to which letters can be replayed."""
        self._engine = engine
        self._topic = topic

    async def note(self, letters: Sequence[ReadLetter]) -> None:
        async with transactions.begin(self._engine) as connection:
            await lock_index(connection)
            if not await noting.note(connection, letters):
                # It may have been written before, by a try of unknown outcome.
                await transactions.rely_on_reads(connection)

    async def rebuild(self, batches: AsyncIterable[Sequence[ReadLetter]], entry: NewEntry) -> int:
        async with transactions.begin(self._engine) as connection:
            await lock_index_alone(connection)
            count = await rebuilding.rebuild(connection, batches)
            await add_entry(connection, entry, {"letters": count})
            return count

    async def page(self, wanted: LetterFilter, after: LetterCursor | None, limit: int) -> LetterPage:
        parameters = Parameters()
        condition = chosen(wanted, parameters)
        if after is not None:
            place = f"({parameters.add(after.failed_at)}, {parameters.add(after.id)})"
            condition += f" AND (letter.failed_at, letter.id) < {place}"
        async with transactions.reading(self._engine) as connection:
            letters = await reading.newest(connection, condition, parameters, limit + 1)
        if len(letters) <= limit:
            return LetterPage(letters, None)
        last = letters[limit - 1]
        return LetterPage(letters[:limit], LetterCursor(last.failed_at, last.id))

    async def groups(self, wanted: LetterFilter, limit: int) -> Sequence[LetterGroup]:
        parameters = Parameters()
        condition = chosen(wanted, parameters)
        async with transactions.reading(self._engine) as connection:
            return await reading.groups(connection, condition, parameters, limit)

    async def get(self, letter_ids: Sequence[str]) -> Sequence[LetterInFull]:
        async with transactions.reading(self._engine) as connection:
            await reading.see_one_moment(connection)
            return await reading.found(connection, [*filter(is_text, letter_ids)])

    async def preview(self, wanted: LetterFilter, order: Order) -> Preview:
        async with transactions.reading(self._engine) as connection:
            return await previewing.preview(connection, wanted, order, self._topic)

    async def change(self, wanted: LetterFilter, order: Order, entry: NewEntry, expected: int | None) -> int:
        async with transactions.begin(self._engine) as connection:
            await lock_index(connection)
            return await changes.change(connection, wanted, order, entry, topic=self._topic, expected=expected)

    async def edit(
        self, letter_id: str, value: bytes, key: bytes | None, event: UserEvent, entry: NewEntry
    ) -> Edit | None:
        if not is_text(letter_id):
            return None
        async with transactions.begin(self._engine) as connection:
            await lock_index(connection)
            return await changes.edit(connection, letter_id, value, key, event, entry=entry)

    async def due(self, kind: str, max_replays: int, limit: int) -> Sequence[str]:
        parameters = Parameters(kind, limit)
        order = Order(Action.REPLAY, "", max_replays=max_replays)
        statement = _DUE.format(dead=LetterState.DEAD, skipped=skipped(order, self._topic, parameters))
        async with transactions.reading(self._engine) as connection:
            return [*(await connection.exec_driver_sql(statement, parameters.values)).scalars()]

    async def forget(self, before: datetime) -> int:
        async with transactions.begin(self._engine) as connection:
            await lock_index(connection)
            return await changes.forget(connection, before)
