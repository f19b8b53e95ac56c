"""The index built anew within one transaction, which shows the old one to all others until it commits."""

from collections.abc import AsyncIterable, Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.postgres.dead_letters.index.noting import note
from application.dead_letters.letters import ReadLetter

_SILENCE = "5min"
"""How long the DLQ may give nothing until the rebuild is given up."""
_PART_LETTERS = 10_000

_WAIT = f"SET LOCAL idle_in_transaction_session_timeout = '{_SILENCE}'"
# A part at a time, so that no statement exceeds its limit; by keys, so that none passes over what is deleted already.
_NEXT = "SELECT max(id) FROM (SELECT id FROM dead_letters WHERE id > $1 ORDER BY id LIMIT $2) AS part"
_DELETE = "DELETE FROM dead_letters WHERE id > $1 AND id <= $2"
_NEXT_FAILURE = """
SELECT dlq_partition, dlq_offset FROM (
    SELECT dlq_partition, dlq_offset FROM dead_letter_attempts WHERE (dlq_partition, dlq_offset) > ($1, $2)
    ORDER BY dlq_partition, dlq_offset LIMIT $3
) AS part
ORDER BY dlq_partition DESC, dlq_offset DESC LIMIT 1
"""
_DELETE_FAILURES = """
DELETE FROM dead_letter_attempts
WHERE (dlq_partition, dlq_offset) > ($1, $2) AND (dlq_partition, dlq_offset) <= ($3, $4)
"""
# What was done last to a letter is what has the greatest number in the audit log: a replay has that of its job. A
# letter that is back from it is dead, as the index shows already.
_STATES = """
UPDATE dead_letters AS letter SET state = fact.state, changed_at = fact.at
FROM (
    SELECT DISTINCT ON (letter_id) letter_id, state, at
    FROM (
        SELECT listed.letter_id, entry.id AS audit_id, entry.at,
            CASE entry.action WHEN 'discard' THEN 'discarded' ELSE 'dead' END AS state
        FROM audit_log_letters AS listed JOIN audit_log AS entry ON entry.id = listed.audit_id
        WHERE listed.letter_id > $1 AND listed.letter_id <= $2
        UNION ALL
        SELECT item.letter_id, job.audit_id,
            CASE
                WHEN replay.is_back THEN letter.failed_at
                WHEN item.state IN ('waiting', 'sending') THEN job.created_at
                ELSE item.changed_at
            END,
            CASE
                WHEN replay.is_back OR item.state = 'cancelled' THEN 'dead'
                WHEN item.state IN ('waiting', 'sending') THEN 'replaying'
                ELSE item.state
            END
        FROM dead_letter_job_items AS item
        JOIN dead_letter_jobs AS job ON job.id = item.job_id
        JOIN dead_letters AS letter ON letter.id = item.letter_id
        CROSS JOIN LATERAL (SELECT letter.failed_replay >= item.replay AS is_back) AS replay
        WHERE item.letter_id > $1 AND item.letter_id <= $2 AND job.action = 'replay'
    ) AS facts
    ORDER BY letter_id, audit_id DESC
) AS fact
WHERE letter.id = fact.letter_id
"""
_REPLAYS = """
UPDATE dead_letters AS letter SET replays = ordered.replays
FROM (
    SELECT item.letter_id, max(item.replay) AS replays
    FROM dead_letter_job_items AS item JOIN dead_letter_jobs AS job ON job.id = item.job_id
    WHERE item.letter_id > $1 AND item.letter_id <= $2 AND job.action = 'replay'
    GROUP BY item.letter_id
) AS ordered
WHERE letter.id = ordered.letter_id AND letter.replays < ordered.replays
"""
_EDITS = """
UPDATE dead_letters AS letter SET
    edits = last.number, event_id = last.event_id, user_id = last.user_id, event_type = last.event_type
FROM (
    SELECT DISTINCT ON (letter_id) letter_id, number, event_id, user_id, event_type FROM dead_letter_edits
    WHERE letter_id > $1 AND letter_id <= $2
    ORDER BY letter_id, number DESC
) AS last
WHERE letter.id = last.letter_id
"""
# The DLQ has lost them, as one that is made anew or compacted does: their jobs would wait for them for ever.
_GONE = """
UPDATE dead_letter_job_items AS item SET
    state = 'cancelled', why = 'it is not in the dead-letter topic any more', changed_at = clock_timestamp()
FROM dead_letter_jobs AS job
WHERE job.ended_at IS NULL AND item.job_id = job.id AND item.state IN ('waiting', 'sending', 'replayed')
  AND NOT EXISTS (SELECT FROM dead_letters WHERE id = item.letter_id)
"""
_COUNT = "SELECT count(*) FROM dead_letters"


async def rebuild(connection: AsyncConnection, batches: AsyncIterable[Sequence[ReadLetter]]) -> int:
    """Replace all letters, under the index's exclusive lock; return their number."""
    await connection.exec_driver_sql(_WAIT)
    await _for_each_part(connection, _DELETE)
    place = (-2, 0)
    while (last := (await connection.exec_driver_sql(_NEXT_FAILURE, (*place, _PART_LETTERS))).first()) is not None:
        await connection.exec_driver_sql(_DELETE_FAILURES, (*place, *last))
        place = (last.dlq_partition, last.dlq_offset)
    async for batch in batches:
        await note(connection, batch)
    await _for_each_part(connection, _STATES, _REPLAYS, _EDITS)
    await connection.exec_driver_sql(_GONE)
    return int((await connection.exec_driver_sql(_COUNT)).scalar_one())


async def _for_each_part(connection: AsyncConnection, *statements: str) -> None:
    """Run statements on all letters, so many at a time that none takes long."""
    after = ""
    while (last := (await connection.exec_driver_sql(_NEXT, (after, _PART_LETTERS))).scalar_one()) is not None:
        for statement in statements:
            await connection.exec_driver_sql(statement, (after, last))
        after = last
