"""The letters of a job: taken, published, and what became of them. Each function is one step of a transaction."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.records import codec
from application.dead_letters.jobs import ReplayItem
from application.dead_letters.letters import LetterOrigin
from application.ports import Receipt
from domain.errors import Rejected

_CHUNK_BYTES = 16 * 1024 * 1024
"""With the letter whose value exceeds it, a chunk takes no more."""

# The size of a value is known without reading it.
_FOUND = """
WITH item AS MATERIALIZED ({items}), found AS MATERIALIZED (
    SELECT * FROM (
        SELECT item.place, item.state, item.letter_id, item.replay, item.edit, item.needs_new_id, item.partition,
            item."offset", letter.topic, letter.partition AS origin_partition, letter."offset" AS origin_offset,
            letter."timestamp" AS origin_timestamp, letter.first_failed_at, letter.headers,
            CASE WHEN item.edit > 0 THEN edited.key ELSE letter.key END AS key,
            CASE WHEN item.edit > 0 THEN edited.value ELSE letter.value END AS value,
            sum(coalesce(octet_length(CASE WHEN item.edit > 0 THEN edited.value ELSE letter.value END), 0)) OVER (
                ORDER BY item.state = 'waiting', item.place ROWS UNBOUNDED PRECEDING
            ) AS bytes
        FROM item
        JOIN dead_letters AS letter ON letter.id = item.letter_id
        LEFT JOIN dead_letter_edits AS edited ON edited.letter_id = item.letter_id AND edited.number = item.edit
    ) AS each
    WHERE bytes - coalesce(octet_length(value), 0) < $3
){and_then}
SELECT * FROM found ORDER BY state = 'waiting', place
"""
_NEXT = _FOUND.format(
    items="""
        SELECT * FROM (
            (SELECT * FROM dead_letter_job_items WHERE job_id = $1 AND state = 'sending' ORDER BY place LIMIT $2)
            UNION ALL
            (SELECT * FROM dead_letter_job_items WHERE job_id = $1 AND state = 'waiting' AND $4
             ORDER BY place LIMIT $2)
        ) AS each
        ORDER BY state = 'waiting', place LIMIT $2
    """,
    and_then=""", taken AS (
        UPDATE dead_letter_job_items AS item SET state = 'sending', changed_at = clock_timestamp()
        FROM found WHERE item.job_id = $1 AND item.place = found.place AND found.state = 'waiting'
    )
    """,
)
_AWAITING = _FOUND.format(
    items="""
        SELECT each.* FROM dead_letter_job_items AS each
        JOIN unnest($4::int[], $5::bigint[]) AS committed (partition, "offset") USING (partition)
        WHERE each.job_id = $1 AND each.state = 'replayed' AND each."offset" < committed."offset"
        ORDER BY each.place LIMIT $2
    """,
    and_then="",
)
_LOCK = "SELECT id FROM dead_letters WHERE id = ANY($1::text[]) ORDER BY id FOR UPDATE"
# A letter changes at the same time as its item, which outlives a rebuild of the index.
# Items are found by their letters' ids alone: with a condition on their state the planner, which knows little of how
# many are in which, would compare each of these with each id. One that failed again meanwhile has been noted as `dead`
# before; it only gets the place where it stood in the log.
_PUBLISHED = """
WITH noted AS (
    UPDATE dead_letter_job_items AS item SET
        state = CASE
            WHEN item.state <> 'sending' THEN item.state WHEN given.why IS NULL THEN 'replayed' ELSE 'dead'
        END,
        why = CASE item.state WHEN 'sending' THEN given.why ELSE item.why END,
        partition = CASE WHEN item.state IN ('sending', 'dead') THEN given.partition ELSE item.partition END,
        "offset" = CASE WHEN item.state IN ('sending', 'dead') THEN given."offset" ELSE item."offset" END,
        changed_at = CASE item.state WHEN 'sending' THEN clock_timestamp() ELSE item.changed_at END
    FROM unnest($2::text[], $3::int[], $4::bigint[], $5::text[]) AS given (letter_id, partition, "offset", why)
    WHERE item.job_id = $1 AND item.letter_id = given.letter_id
    RETURNING item.letter_id, item.replay, item.state, item.changed_at
)
UPDATE dead_letters AS letter SET state = noted.state, changed_at = noted.changed_at
FROM noted
WHERE letter.id = noted.letter_id AND letter.replays = noted.replay AND letter.state = 'replaying'
  AND noted.state IN ('replayed', 'dead')
"""
_STORED = """
WITH noted AS (
    UPDATE dead_letter_job_items SET
        state = CASE state WHEN 'replayed' THEN 'stored' ELSE state END,
        changed_at = CASE state WHEN 'replayed' THEN clock_timestamp() ELSE changed_at END
    WHERE job_id = $1 AND letter_id = ANY($2::text[])
    RETURNING letter_id, replay, state, changed_at
)
UPDATE dead_letters AS letter SET state = 'stored', changed_at = noted.changed_at
FROM noted
WHERE letter.id = noted.letter_id AND letter.replays = noted.replay AND letter.state = 'replayed'
  AND noted.state = 'stored'
"""


async def next_items(connection: AsyncConnection, job_id: UUID, limit: int, *, is_running: bool) -> list[ReplayItem]:
    """Take letters to be published: those taken before, then others where the job is running."""
    found = await connection.exec_driver_sql(_NEXT, (job_id, limit, _CHUNK_BYTES, is_running))
    return [_item(row) for row in found]


async def awaiting(
    connection: AsyncConnection, job_id: UUID, committed: Mapping[int, int], limit: int
) -> list[ReplayItem]:
    """List published letters whose records are before the offsets `committed`."""
    parameters = (job_id, limit, _CHUNK_BYTES, list(committed), list(committed.values()))
    return [_item(row) for row in await connection.exec_driver_sql(_AWAITING, parameters)]


async def published(connection: AsyncConnection, job_id: UUID, outcomes: Mapping[str, Receipt | Rejected]) -> None:
    """Note where the log has letters, or why it refuses them."""
    receipts = [each if isinstance(each, Receipt) else None for each in outcomes.values()]
    await connection.exec_driver_sql(_LOCK, (list(outcomes),))
    await connection.exec_driver_sql(
        _PUBLISHED,
        (
            job_id,
            list(outcomes),
            [None if receipt is None else receipt.partition for receipt in receipts],
            [None if receipt is None else receipt.offset for receipt in receipts],
            [str(each) if isinstance(each, Rejected) else None for each in outcomes.values()],
        ),
    )


async def stored(connection: AsyncConnection, job_id: UUID, letter_ids: Sequence[str]) -> None:
    """Note letters whose events the table has."""
    await connection.exec_driver_sql(_LOCK, (list(letter_ids),))
    await connection.exec_driver_sql(_STORED, (job_id, list(letter_ids)))


def _item(row: Row[Any]) -> ReplayItem:
    origin = None
    if not row.letter_id.startswith("dlq-"):
        origin = LetterOrigin(row.topic, row.origin_partition, row.origin_offset, row.origin_timestamp)
    return ReplayItem(
        letter_id=row.letter_id,
        number=row.replay,
        edit=row.edit,
        origin=origin,
        first_failed_at=row.first_failed_at,
        key=row.key,
        value=row.value,
        headers=codec.headers_from_json(row.headers),
        needs_new_id=row.needs_new_id,
        partition=row.partition,
        offset=row.offset,
    )
