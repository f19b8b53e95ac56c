"""Jobs as they are read: with their letters counted by state."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from application.dead_letters.jobs import ItemState, Job, JobFailure, JobGroup, JobInFull, JobState
from application.dead_letters.orders import Action, Order

_FAILURES = 20

_JOBS = """
SELECT job.id, job.action, job.terms, job.state, job.why, job.letters, job.created_at, job.started_at, job.ended_at,
    entry.who, entry.wanted, entry.reason, tally.counts, tally.done,
    extract(epoch FROM coalesce(job.ended_at, clock_timestamp()) - job.started_at)::float AS seconds
FROM dead_letter_jobs AS job
JOIN audit_log AS entry ON entry.id = job.audit_id
CROSS JOIN LATERAL (
    SELECT coalesce(json_object_agg(state, letters), '{{}}') AS counts, coalesce(sum(done), 0)::int AS done
    FROM (
        SELECT state, count(*) AS letters,
            CASE state WHEN 'changed' THEN count(*) ELSE count(partition) END AS done
        FROM dead_letter_job_items WHERE job_id = job.id GROUP BY state
    ) AS counted
) AS tally
WHERE {condition}
ORDER BY job.audit_id DESC
LIMIT $1
"""
_ONE = _JOBS.format(condition="job.id = $2")
_NEWEST = _JOBS.format(
    condition="$2::uuid IS NULL OR job.audit_id < (SELECT audit_id FROM dead_letter_jobs WHERE id = $2)"
)
_GROUPS = """
SELECT fingerprint, state, count(*) AS letters FROM dead_letter_job_items WHERE job_id = $1
GROUP BY fingerprint, state ORDER BY fingerprint, state
"""
_FAILED = """
SELECT letter_id, coalesce(why, '') AS why FROM dead_letter_job_items WHERE job_id = $1 AND state = 'dead'
ORDER BY changed_at DESC, place DESC LIMIT $2
"""


class _Terms(msgspec.Struct):
    """The terms of an order, as they stand in the table."""

    max_replays: int
    new_event_id: bool
    canary: int
    rate_per_second: float | None


def render_terms(order: Order) -> str:
    """Render all of an order that is for replays alone, as JSON."""
    terms = _Terms(order.max_replays, order.new_event_id, order.canary, order.rate_per_second)
    return msgspec.json.encode(terms).decode()


async def newest(connection: AsyncConnection, limit: int, before: UUID | None) -> Sequence[Job]:
    """Read jobs, newest first."""
    return [_job(row) for row in await connection.exec_driver_sql(_NEWEST, (limit, before))]


async def one(connection: AsyncConnection, job_id: UUID) -> Job | None:
    """Read one job."""
    row = (await connection.exec_driver_sql(_ONE, (1, job_id))).one_or_none()
    return None if row is None else _job(row)


async def in_full(connection: AsyncConnection, job_id: UUID) -> JobInFull | None:
    """Read one job with its outcomes."""
    job = await one(connection, job_id)
    if job is None:
        return None
    groups: defaultdict[str, dict[ItemState, int]] = defaultdict(dict)
    for row in await connection.exec_driver_sql(_GROUPS, (job_id,)):
        groups[row.fingerprint][ItemState(row.state)] = row.letters
    failed = await connection.exec_driver_sql(_FAILED, (job_id, _FAILURES))
    return JobInFull(
        job,
        groups=[JobGroup(fingerprint, counts) for fingerprint, counts in groups.items()],
        failures=[JobFailure(row.letter_id, row.why) for row in failed],
    )


def _job(row: Row[Any]) -> Job:
    terms = msgspec.convert(row.terms, _Terms)
    return Job(
        id=row.id,
        order=Order(
            Action(row.action),
            row.reason,
            max_replays=terms.max_replays,
            new_event_id=terms.new_event_id,
            canary=terms.canary,
            rate_per_second=terms.rate_per_second,
        ),
        wanted=row.wanted,
        who=row.who,
        state=JobState(row.state),
        why=row.why,
        letters=row.letters,
        counts={ItemState(state): count for state, count in row.counts.items()},
        created_at=row.created_at,
        started_at=row.started_at,
        ended_at=row.ended_at,
        rate=None if row.seconds is None else row.done / max(row.seconds, 0.001),
    )
