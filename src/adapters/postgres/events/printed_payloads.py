"""Payloads as they are read, which may be far larger printed than they are in the table.

`jsonb` keeps 1e8000 in 16 bytes and prints 8,001 digits. A payload that was stored before that was bounded, or by
somebody else, may print gigabytes: the server must not even try. To look at all numbers of a payload takes it several
times as long as to print an ordinary one, so that it is done only where much could be printed.
"""

from collections.abc import Sequence
from itertools import accumulate
from typing import Any
from uuid import UUID

from sqlalchemy import TEXT, Row, case, cast, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.postgres.schema.tables import events
from application.listing import MAX_PRINTED_NUMBERS, StoredEvent, omitted

_SMALL_BYTES = 2_000
"""Up to here a payload is printed along with its row. Larger ones may be compressed, to a hundredth of their size."""
_UNCHECKED_BYTES = 64 * 1024
"""Up to here the numbers of a payload are not looked at, unless the page has had one that prints too many digits."""
_GROUP_BYTES = 512 * 1024
"""How much one statement takes. With the longest numbers that ever passed it prints for a second or two, once."""
_GROUP_ROWS = 200

# Any other number prints a hundred characters at most, unless it was written with more. PostgreSQL's stack ends the
# search at some 10,000 levels; nobody's payload has 1,000.
_EXTREME = "strict $.**{0 to 1000} ? (@ < 1e-99 || @ > 1e99) ? (@ > -1e-99 || @ < -1e99)"
# A number in binary has, as its second field, how many groups of four digits stand before its point, less one: so its
# length is known without printing it. The operator decompresses a payload. OFFSET keeps the planner from doing either,
# or printing, once for each place where the result is used.
_PRINT = f"""
SELECT id, CASE WHEN digits IS NULL THEN printed END AS payload, digits
FROM (
    SELECT id, printed, CASE
        WHEN digits > {MAX_PRINTED_NUMBERS} THEN digits
        WHEN digits IS NULL AND octet_length(printed) > {MAX_PRINTED_NUMBERS} THEN octet_length(printed)
    END AS digits
    FROM (
        SELECT id, digits, CASE WHEN digits > {MAX_PRINTED_NUMBERS} THEN NULL ELSE payload::text END AS printed
        FROM (
            SELECT id, payload, CASE WHEN size > $2::int THEN (
                SELECT coalesce(sum(scale(number) + CASE
                    WHEN abs(number) < 1 THEN 1
                    ELSE 4 + 4 * (256 * get_byte(numeric_send(number), 2) + get_byte(numeric_send(number), 3))
                END), 0)
                FROM (SELECT item::numeric AS number FROM jsonb_path_query(payload, '{_EXTREME}') AS item) AS extreme
            ) END AS digits
            FROM (
                SELECT *, sum(size) OVER (ROWS UNBOUNDED PRECEDING) AS upto
                FROM (
                    SELECT id, payload, pg_column_size(payload) AS size
                    FROM (
                        SELECT id, payload #> '{{}}' AS payload
                        FROM (
                            SELECT id, payload FROM unnest($1::uuid[]) WITH ORDINALITY AS given (id, place)
                            JOIN events USING (id) ORDER BY place OFFSET 0
                        ) AS ordered
                        OFFSET 0
                    ) AS whole
                    OFFSET 0
                ) AS sized
            ) AS summed
            WHERE upto = size OR upto <= {_GROUP_BYTES}
            OFFSET 0
        ) AS measured
        OFFSET 0
    ) AS printed
) AS judged
"""  # noqa: S608 - of constants

_payload = events.c.payload
_stored_bytes = func.pg_column_size(_payload)
_is_small = (_stored_bytes <= _SMALL_BYTES) & func.pg_column_compression(_payload).is_(None)
ROWS = select(
    events.c.id,
    events.c.user_id,
    events.c.event_type,
    case((_is_small, cast(_payload, TEXT))).label("payload"),
    events.c.created_at,
    events.c.occurred_at,
    # None where the payload is printed already, or absent.
    case((~_is_small, _stored_bytes)).label("large"),
)


class Printer:
    """Renders rows from `ROWS`, and prints the payloads that these do not have, a group at a time."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection
        self._unchecked = _UNCHECKED_BYTES
        self._texts: dict[UUID, str] = {}

    async def stored(self, place: int, rows: Sequence[Row[*tuple[Any, ...]]]) -> StoredEvent | None:
        """Render the row at a place; None where its payload is large, and the row no longer there."""
        row = rows[place]
        payload = row.payload
        if row.large is not None:
            if row.id not in self._texts:
                self._texts = await self._print(rows[place : place + _GROUP_ROWS])
            if (payload := self._texts.get(row.id)) is None:
                return None
        return StoredEvent(row.id, row.user_id, row.event_type, payload, row.created_at, row.occurred_at)

    async def _print(self, rows: Sequence[Row[*tuple[Any, ...]]]) -> dict[UUID, str]:
        large = [row for row in rows if row.large is not None]
        ends = accumulate(row.large for row in large)
        ids = [row.id for row, end in zip(large, ends, strict=True) if row is large[0] or end <= _GROUP_BYTES]
        found = (await self._connection.exec_driver_sql(_PRINT, (ids, self._unchecked))).all()
        if any(row.digits is not None for row in found):
            self._unchecked = 0
        return {row.id: row.payload if row.digits is None else omitted(row.id, row.digits) for row in found}
