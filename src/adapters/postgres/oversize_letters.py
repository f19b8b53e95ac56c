"""Dead letters that the dead letter topic refuses, mostly for their size, kept whole."""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.postgres.schema.tables import oversize_letters
from adapters.postgres.sessions import transactions
from adapters.records import codec, dlq_headers
from adapters.records.codec import Headers
from domain.dead_letter import DeadLetter


class PostgresOversizeLetters:
    """`OversizeLetters` over the table `oversize_letters`; header values stand in base64, as they may be any bytes."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def keep(self, letter: DeadLetter, cause: str | None = None) -> None:
        record = letter.record
        row = insert(oversize_letters).values(
            topic=record.topic,
            partition=record.partition,
            offset=record.offset,
            timestamp=record.timestamp,
            key=record.key,
            value=record.value,
            headers=codec.headers_as_json(dlq_headers.render(letter)),
            cause=cause,
        )
        async with transactions.begin(self._engine) as connection:
            kept = await connection.execute(row.on_conflict_do_nothing(constraint="oversize_letters_origin_key"))
            if not kept.rowcount:
                await transactions.rely_on_reads(connection)

    async def headers(self) -> Sequence[Headers]:
        async with transactions.reading(self._engine) as connection:
            rows = await connection.execute(select(oversize_letters.c.headers))
            return [codec.headers_from_json(row.headers) for row in rows]
