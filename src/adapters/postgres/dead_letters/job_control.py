"""What a person can do to a job."""

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.postgres.dead_letters.audit_log import add_entry
from application.dead_letters.jobs import JobCommand, JobState, NotPossible
from application.dead_letters.orders import NewEntry

_FITTING = {
    JobCommand.PAUSE: {JobState.RUNNING},
    JobCommand.RESUME: {JobState.PAUSED, JobState.HALTED},
    JobCommand.CANCEL: {JobState.RUNNING, JobState.PAUSED, JobState.HALTED},
}
_RESULT = {
    JobCommand.PAUSE: JobState.PAUSED,
    JobCommand.RESUME: JobState.RUNNING,
    JobCommand.CANCEL: JobState.CANCELLED,
}

_STATE = "SELECT state FROM dead_letter_jobs WHERE id = $1 FOR UPDATE"
_LOCK = """
SELECT FROM dead_letters AS letter JOIN dead_letter_job_items AS item ON item.letter_id = letter.id
WHERE item.job_id = $1 AND item.state = 'waiting'
ORDER BY letter.id FOR UPDATE OF letter
"""
_CANCEL = """
UPDATE dead_letter_job_items SET state = 'cancelled', changed_at = clock_timestamp()
WHERE job_id = $1 AND state = 'waiting'
"""
_UNMARK = """
UPDATE dead_letters AS letter SET state = 'dead', changed_at = item.changed_at
FROM dead_letter_job_items AS item
WHERE item.job_id = $1 AND item.state = 'cancelled'
  AND letter.id = item.letter_id AND letter.replays = item.replay AND letter.state = 'replaying'
"""
_CONTROL = """
UPDATE dead_letter_jobs AS job SET
    state = $2,
    why = NULL,
    terms = CASE $2 WHEN 'running' THEN (terms::jsonb || '{"canary": 0}')::json ELSE terms END,
    ended_at = CASE WHEN $2 = 'cancelled' AND NOT EXISTS (
        SELECT FROM dead_letter_job_items WHERE job_id = job.id AND state IN ('sending', 'replayed')
    ) THEN clock_timestamp() END
WHERE id = $1
"""


async def control(connection: AsyncConnection, job_id: UUID, command: JobCommand, entry: NewEntry) -> bool:
    """Carry a command out; return whether there is such a job. Raises `NotPossible`."""
    state = (await connection.exec_driver_sql(_STATE, (job_id,))).scalar_one_or_none()
    if state is None:
        return False
    if state not in _FITTING[command]:
        raise NotPossible(f"a job that is {state} cannot be {_RESULT[command]}")
    cancelled = 0
    if command is JobCommand.CANCEL:
        await connection.exec_driver_sql(_LOCK, (job_id,))
        cancelled = (await connection.exec_driver_sql(_CANCEL, (job_id,))).rowcount
        await connection.exec_driver_sql(_UNMARK, (job_id,))
    await connection.exec_driver_sql(_CONTROL, (job_id, _RESULT[command].value))
    await add_entry(connection, entry, {"letters": cancelled} if cancelled else {})
    return True
