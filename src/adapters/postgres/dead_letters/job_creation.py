"""An order becomes a job: its letters are chosen, numbered and marked."""

from typing import NamedTuple
from uuid import UUID

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.postgres.dead_letters.choice import CONFLICTS_AGAIN, Parameters, concerned
from adapters.postgres.dead_letters.job_rows import render_terms
from application.dead_letters.letters import LetterFilter
from application.dead_letters.orders import Action, NewEntry, Order

# The entry takes its number once all letters are locked: so the numbers follow the order of changes of a letter.
_CREATE = """
WITH chosen AS MATERIALIZED (
    SELECT letter.id, letter.replays, letter.edits, letter.fingerprint, letter.first_failed_at,
        {conflicts_again} AS conflicts_again
    FROM dead_letters AS letter WHERE {condition}
    ORDER BY letter.id FOR UPDATE
), counted AS MATERIALIZED (
    SELECT count(*) AS letters FROM chosen
), entry AS (
    INSERT INTO audit_log (who, action, wanted, counts, reason)
    SELECT $2, $3, $4::json, json_build_object('letters', letters), $5 FROM counted
    RETURNING id
), job AS (
    INSERT INTO dead_letter_jobs (id, audit_id, action, terms, state, letters, ended_at)
    SELECT $1, entry.id, $6, $7::json, CASE letters WHEN 0 THEN 'finished' ELSE 'running' END, letters,
        CASE letters WHEN 0 THEN clock_timestamp() END
    FROM counted, entry
)
INSERT INTO dead_letter_job_items (job_id, place, letter_id, replay, edit, needs_new_id, fingerprint)
SELECT $1, row_number() OVER (ORDER BY first_failed_at, id), id, replays + $8, edits, $9 AND conflicts_again,
    fingerprint
FROM chosen
"""
_MARK = """
UPDATE dead_letters AS letter SET state = 'replaying', replays = item.replay, changed_at = job.created_at
FROM dead_letter_job_items AS item JOIN dead_letter_jobs AS job ON job.id = item.job_id
WHERE item.job_id = $1 AND letter.id = item.letter_id
"""


class NewJob(NamedTuple):
    """A job to be made of the letters that match `wanted`."""

    id: UUID
    wanted: LetterFilter
    order: Order
    entry: NewEntry


async def create(connection: AsyncConnection, job: NewJob, topic: str) -> int:
    """Write a job with its letters and its entry in the audit log; return the number of letters."""
    is_replay = job.order.action is Action.REPLAY
    parameters = Parameters(
        job.id,
        job.entry.who,
        job.entry.action,
        msgspec.json.encode(job.entry.wanted).decode(),
        job.entry.reason,
        job.order.action.value,
        render_terms(job.order),
        int(is_replay),
        job.order.new_event_id,
    )
    condition = concerned(job.wanted, job.order, topic, parameters)
    statement = _CREATE.format(conflicts_again=CONFLICTS_AGAIN, condition=condition)
    letters = (await connection.exec_driver_sql(statement, parameters.values)).rowcount
    if is_replay and letters:
        await connection.exec_driver_sql(_MARK, (job.id,))
    return letters
