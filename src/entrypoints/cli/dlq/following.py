"""Follows a job until it ends."""

import asyncio
from time import monotonic
from uuid import UUID

import typer

from application.dead_letters.control_jobs import ControlJobs
from application.dead_letters.jobs import ItemState, Job, JobInFull, JobState
from domain.errors import Unavailable
from entrypoints.cli.dlq.progress import progress
from entrypoints.config.errors import UsageError

_POLL_SECONDS = 0.5
_wait = asyncio.sleep
_PATIENCE_SECONDS = 60.0
"""How long the database may be away."""
_OPEN = (ItemState.WAITING, ItemState.SENDING, ItemState.REPLAYED)
_PUBLISHED = (ItemState.SENDING, ItemState.REPLAYED)


def done(job: Job) -> int:
    """Count the letters that have their outcome."""
    return job.letters - _count(job, _OPEN)


def ended_well(job: Job) -> bool:
    """Tell whether a job has finished and no letter of it died again."""
    return job.state is JobState.FINISHED and not _count(job, (ItemState.DEAD,))


async def find_job(jobs: ControlJobs, job_id: UUID) -> JobInFull:
    """Find a job. Raises `UsageError` where it is not there."""
    found = await jobs.get(job_id)
    if found is None:
        raise UsageError(f"no job has the id {job_id}")
    return found


async def follow_to_end(jobs: ControlJobs, job_id: UUID) -> JobInFull:
    """Show the progress of a job until it finishes, halts, or is cancelled and has its outcomes."""
    typer.echo("following the job; it goes on when this command is stopped", err=True)
    reached_at = monotonic()
    with progress("letters done") as report:
        while True:
            try:
                found = await find_job(jobs, job_id)
            except Unavailable:
                if monotonic() - reached_at > _PATIENCE_SECONDS:
                    raise
            else:
                reached_at = monotonic()
                report(done(found.job), found.job.letters, _note(found.job))
                if _has_ended(found.job):
                    return found
            await _wait(_POLL_SECONDS)


def _has_ended(job: Job) -> bool:
    match job.state:
        case JobState.FINISHED | JobState.HALTED:
            return True
        case JobState.CANCELLED:
            return not _count(job, _PUBLISHED)
        case _:
            return False


def _note(job: Job) -> str:
    if job.why:
        return job.why
    if job.state is not JobState.RUNNING:
        return job.state
    if job.started_at is None:
        return "waits for a consumer"
    return "" if job.rate is None else f"{job.rate:,.0f} a second"


def _count(job: Job, states: tuple[ItemState, ...]) -> int:
    return sum(job.counts.get(state, 0) for state in states)
