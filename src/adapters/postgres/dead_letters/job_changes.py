"""A discard or a restore that is a job, some letters at a time."""

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from application.dead_letters.letters import LetterState
from application.dead_letters.orders import Action

_STATES = {
    Action.DISCARD: (LetterState.DEAD, LetterState.DISCARDED),
    Action.RESTORE: (LetterState.DISCARDED, LetterState.DEAD),
}
"""By action: the state that it takes letters in, and the one that it leaves them in."""

_NEXT = """
SELECT letter_id FROM dead_letter_job_items WHERE job_id = $1 AND state = 'waiting' ORDER BY place LIMIT $2
"""
_LOCK = "SELECT id FROM dead_letters WHERE id = ANY($1::text[]) ORDER BY id FOR UPDATE"
# What was done to a letter by a later entry of the audit log stays: a rebuild would find the same.
_CHANGE = """
WITH changed AS (
    UPDATE dead_letters AS letter SET state = $5, changed_at = (SELECT at FROM audit_log WHERE id = $3)
    WHERE id = ANY($2::text[]) AND state = $4
      AND NOT EXISTS (SELECT FROM audit_log_letters WHERE letter_id = letter.id AND audit_id > $3)
      AND NOT EXISTS (
          SELECT FROM dead_letter_job_items AS other JOIN dead_letter_jobs AS job ON job.id = other.job_id
          WHERE other.letter_id = letter.id AND job.audit_id > $3 AND job.action = 'replay'
      )
    RETURNING id
), listed AS (
    INSERT INTO audit_log_letters (letter_id, audit_id) SELECT id, $3 FROM changed ORDER BY id
)
UPDATE dead_letter_job_items SET
    state = CASE WHEN letter_id IN (SELECT id FROM changed) THEN 'changed' ELSE 'cancelled' END,
    why = CASE WHEN letter_id IN (SELECT id FROM changed) THEN NULL ELSE 'it was changed meanwhile' END,
    changed_at = clock_timestamp()
WHERE job_id = $1 AND letter_id = ANY($2::text[])
"""


async def change_some(connection: AsyncConnection, job_id: UUID, audit_id: int, action: Action, limit: int) -> int:
    """Carry the action out on the next letters; return how many were taken."""
    found = await connection.exec_driver_sql(_NEXT, (job_id, limit))
    letter_ids = [row.letter_id for row in found]
    if letter_ids:
        await connection.exec_driver_sql(_LOCK, (letter_ids,))
        before, after = _STATES[action]
        await connection.exec_driver_sql(_CHANGE, (job_id, letter_ids, audit_id, before.value, after.value))
    return len(letter_ids)
