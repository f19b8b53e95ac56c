"""Replay jobs, in the tables `dead_letter_jobs` and `dead_letter_job_items`."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from adapters.postgres.dead_letters import job_changes, job_control, job_creation, job_items, job_rows
from adapters.postgres.dead_letters.job_creation import NewJob
from adapters.postgres.dead_letters.locks import lock_index
from adapters.postgres.sessions import transactions
from application.dead_letters.jobs import Job, JobCommand, JobInFull, JobState, LeaseLost, ReplayItem
from application.dead_letters.letters import LetterFilter
from application.dead_letters.orders import Action, CountChanged, NewEntry, Order
from application.ports import Receipt
from domain.errors import Rejected

_PATIENCE = "SET LOCAL statement_timeout = '25s'"
"""For all letters of a job at once."""
_CLAIM = """
UPDATE dead_letter_jobs SET
    worker = $1,
    lease_until = clock_timestamp() + make_interval(secs => $2),
    started_at = coalesce(started_at, clock_timestamp())
WHERE id = (
    SELECT id FROM dead_letter_jobs AS job
    WHERE ended_at IS NULL AND (worker IS NULL OR lease_until <= clock_timestamp())
      AND (state = 'running' OR EXISTS (
          SELECT FROM dead_letter_job_items WHERE job_id = job.id AND state IN ('sending', 'replayed')
      ))
    ORDER BY coalesce(lease_until, created_at), audit_id LIMIT 1 FOR UPDATE SKIP LOCKED
)
RETURNING id
"""
# Shared, as a worker publishes and collects at once; whoever changes the job waits for both.
_LEASED = """
SELECT state, action, audit_id FROM dead_letter_jobs
WHERE id = $1 AND worker = $2 AND lease_until > clock_timestamp() FOR SHARE
"""
_UPDATE = """
UPDATE dead_letter_jobs AS job SET {changes} WHERE id = $1 AND worker = $2 AND lease_until > clock_timestamp()
"""
_RENEW = _UPDATE.format(changes="lease_until = clock_timestamp() + make_interval(secs => $3)")
_RELEASE = _UPDATE.format(changes="worker = NULL, lease_until = clock_timestamp()")
_EXPLAIN = _UPDATE.format(changes="why = CASE state WHEN 'halted' THEN why ELSE $3 END")
_HALT = _UPDATE.format(
    changes="""
        state = CASE state WHEN 'cancelled' THEN state ELSE 'halted' END,
        why = CASE state WHEN 'cancelled' THEN why ELSE $3 END,
        worker = NULL,
        lease_until = NULL
    """
)
_END = _UPDATE.format(
    changes="""
        state = CASE state WHEN 'cancelled' THEN state ELSE 'finished' END,
        why = NULL,
        ended_at = clock_timestamp(),
        worker = NULL,
        lease_until = NULL
    """
)
_FINISH = f"""{_END} AND state <> 'halted' AND NOT EXISTS (
    SELECT FROM dead_letter_job_items WHERE job_id = job.id AND state IN ('waiting', 'sending', 'replayed')
)
"""


class PostgresReplayJobs:
    """`ReplayJobs` over the tables of jobs; letters of other topics than `topic` are left alone."""

    def __init__(self, engine: AsyncEngine, topic: str, *, lease: float = 15.0) -> None:
        """`lease`: for how many seconds a worker that does not renew it keeps a job."""
        self._engine = engine
        self._topic = topic
        self._lease = lease

    async def create(self, wanted: LetterFilter, order: Order, entry: NewEntry, expected: int | None) -> Job:
        job_id = uuid4()
        async with transactions.begin(self._engine) as connection:
            await connection.exec_driver_sql(_PATIENCE)
            await lock_index(connection)
            new = NewJob(job_id, wanted, order, entry)
            count = await job_creation.create(connection, new, self._topic)
            if expected is not None and count != expected:
                raise CountChanged(expected, count)
            return await _existing(connection, job_id)

    async def newest(self, limit: int, before: UUID | None = None) -> Sequence[Job]:
        async with transactions.reading(self._engine) as connection:
            return await job_rows.newest(connection, limit, before)

    async def get(self, job_id: UUID) -> JobInFull | None:
        async with transactions.reading(self._engine) as connection:
            return await job_rows.in_full(connection, job_id)

    async def control(self, job_id: UUID, command: JobCommand, entry: NewEntry) -> Job | None:
        async with transactions.begin(self._engine) as connection:
            await connection.exec_driver_sql(_PATIENCE)
            await lock_index(connection)
            is_there = await job_control.control(connection, job_id, command, entry)
            return await _existing(connection, job_id) if is_there else None

    async def claim(self, worker: UUID) -> Job | None:
        async with transactions.begin(self._engine) as connection:
            claimed = await connection.exec_driver_sql(_CLAIM, (worker, self._lease))
            job_id: UUID | None = claimed.scalar_one_or_none()
            return None if job_id is None else await _existing(connection, job_id)

    async def renew(self, job_id: UUID, worker: UUID) -> Job:
        async with transactions.begin(self._engine) as connection:
            await _update_leased(connection, _RENEW, job_id, worker, self._lease)
            return await _existing(connection, job_id)

    async def release(self, job_id: UUID, worker: UUID) -> None:
        async with transactions.begin(self._engine) as connection:
            await _update_leased(connection, _RELEASE, job_id, worker)

    async def next_items(self, job_id: UUID, worker: UUID, limit: int) -> Sequence[ReplayItem]:
        async with self._writing(job_id, worker) as (connection, job):
            is_running = job.state == JobState.RUNNING
            return await job_items.next_items(connection, job_id, limit, is_running=is_running)

    async def published(self, job_id: UUID, worker: UUID, outcomes: Mapping[str, Receipt | Rejected]) -> None:
        async with self._writing(job_id, worker) as (connection, _):
            await job_items.published(connection, job_id, outcomes)

    async def awaiting(
        self, job_id: UUID, worker: UUID, committed: Mapping[int, int], limit: int
    ) -> Sequence[ReplayItem]:
        async with transactions.begin(self._engine) as connection:
            await _leased(connection, job_id, worker)
            return await job_items.awaiting(connection, job_id, committed, limit)

    async def stored(self, job_id: UUID, worker: UUID, letter_ids: Sequence[str]) -> None:
        async with self._writing(job_id, worker) as (connection, _):
            await job_items.stored(connection, job_id, letter_ids)

    async def change_some(self, job_id: UUID, worker: UUID, limit: int) -> int:
        async with self._writing(job_id, worker) as (connection, job):
            if job.state != JobState.RUNNING:
                return 0
            return await job_changes.change_some(connection, job_id, job.audit_id, Action(job.action), limit)

    async def explain(self, job_id: UUID, worker: UUID, why: str | None) -> None:
        async with transactions.begin(self._engine) as connection:
            await _update_leased(connection, _EXPLAIN, job_id, worker, why)

    async def halt(self, job_id: UUID, worker: UUID, why: str) -> None:
        async with transactions.begin(self._engine) as connection:
            await _update_leased(connection, _HALT, job_id, worker, why)

    async def finish(self, job_id: UUID, worker: UUID) -> bool:
        async with transactions.begin(self._engine) as connection:
            ended = (await connection.exec_driver_sql(_FINISH, (job_id, worker))).rowcount > 0
            if not ended:
                await _leased(connection, job_id, worker)
            return ended

    @asynccontextmanager
    async def _writing(self, job_id: UUID, worker: UUID) -> AsyncIterator[tuple[AsyncConnection, Row[Any]]]:
        """Begin a transaction that writes to letters of the job, which stays the worker's until it ends."""
        async with transactions.begin(self._engine) as connection:
            await lock_index(connection)
            yield connection, await _leased(connection, job_id, worker)


async def _leased(connection: AsyncConnection, job_id: UUID, worker: UUID) -> Row[Any]:
    leased = (await connection.exec_driver_sql(_LEASED, (job_id, worker))).one_or_none()
    if leased is None:
        raise LeaseLost
    return leased


async def _update_leased(connection: AsyncConnection, update: str, job_id: UUID, worker: UUID, *others: object) -> None:
    """Update the worker's job. Raises `LeaseLost`."""
    if (await connection.exec_driver_sql(update, (job_id, worker, *others))).rowcount == 0:
        raise LeaseLost


async def _existing(connection: AsyncConnection, job_id: UUID) -> Job:
    job = await job_rows.one(connection, job_id)
    if job is None:
        raise AssertionError("jobs are never deleted")
    return job
