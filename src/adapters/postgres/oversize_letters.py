"""Dead letters that the dead letter topic refuses, mostly for their size, kept whole."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, and_, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.postgres.schema.tables import oversize_letters
from adapters.postgres.sessions import transactions
from adapters.records import codec, dlq_headers
from adapters.records.codec import Headers
from adapters.records.log_record import LogRecord
from application.dead_letters.letters import LetterOrigin
from domain.dead_letter import DeadLetter

_LISTED_BYTES = 8 * 1024 * 1024
"""From how many bytes on a list takes no more letters."""
_NO_PARTITION = -1
_table = oversize_letters.c


class PostgresOversizeLetters:
    """`OversizeLetters` over the table `oversize_letters`; header values stand in base64, as they may be any bytes."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def keep(self, letter: DeadLetter, cause: str | None = None) -> int:
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
        # Its pointer may be refused, too.
        known = {"cause": func.coalesce(_table.cause, row.excluded.cause)}
        kept = row.on_conflict_do_update(constraint="oversize_letters_origin_key", set_=known).returning(_table.id)
        async with transactions.begin(self._engine) as connection:
            return int((await connection.execute(kept)).scalar_one())

    async def headers(self) -> Sequence[Headers]:
        async with transactions.reading(self._engine) as connection:
            rows = await connection.execute(select(_table.headers))
            return [codec.headers_from_json(row.headers) for row in rows]

    async def find(self, which: int | LetterOrigin) -> LogRecord | None:
        if isinstance(which, int):
            wanted = _table.id == which
        else:
            place = zip((_table.topic, _table.partition, _table.offset, _table.timestamp), which, strict=True)
            wanted = and_(*(column == value for column, value in place))
        async with transactions.reading(self._engine) as connection:
            row = (await connection.execute(select(oversize_letters).where(wanted))).one_or_none()
            return None if row is None else _record(row)

    async def kept_since(self, number: int, limit: int) -> Sequence[LogRecord]:
        size = func.coalesce(func.octet_length(_table.value), 0)
        listed = (
            select(_table.id, (func.sum(size).over(order_by=_table.id) - size).label("before"))
            .where(_table.id >= number, _table.cause.is_not(None))
            .order_by(_table.id)
            .limit(limit)
            .subquery()
        )
        wanted = (
            select(oversize_letters)
            .join(listed, listed.c.id == _table.id)
            .where(listed.c.before < _LISTED_BYTES)
            .order_by(_table.id)
        )
        async with transactions.reading(self._engine) as connection:
            return [_record(row) for row in await connection.execute(wanted)]


def _record(row: Row[Any]) -> LogRecord:
    headers = codec.headers_from_json(row.headers)
    return LogRecord(row.topic, _NO_PARTITION, row.id, row.timestamp, row.key, row.value, headers)
