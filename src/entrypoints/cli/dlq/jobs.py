"""`user-events dlq jobs`."""

import sys
from collections.abc import Sequence
from uuid import UUID

import typer

from adapters.system import utc_now
from application.dead_letters.jobs import Job, JobCommand
from application.dead_letters.use_cases import LetterUseCases
from entrypoints.cli import person
from entrypoints.cli.dlq.as_json import print_json
from entrypoints.cli.dlq.following import done, ended_well, find_job, follow_to_end
from entrypoints.cli.dlq.job_details import print_job
from entrypoints.cli.dlq.screen import age, cells, print_all, table
from entrypoints.cli.dlq.session import with_letters
from entrypoints.cli.run import FAILED
from entrypoints.http.routes.dead_letters import job_rows


def list_jobs(limit: int, *, as_json: bool) -> None:
    """Print at most `limit` jobs, newest first."""

    async def work(letters: LetterUseCases) -> None:
        jobs = await letters.jobs.newest(limit)
        if as_json:
            print_json(job_rows.list_to_json(jobs))
        elif jobs:
            _print_jobs(jobs)
        else:
            typer.echo("no jobs", err=True)

    with_letters(work)


def show_job(job_id: UUID, command: JobCommand | None, *, reason: str, follow: bool, as_json: bool) -> None:
    """Carry out `command` on a job, if there is one, follow the job if asked to, and print it.

    Exits with 1 where the job is followed and does not end well.
    """

    async def work(letters: LetterUseCases) -> bool:
        if command is not None:
            await letters.jobs.control(job_id, command, who=person.who(), reason=reason)
        found = await (follow_to_end if follow else find_job)(letters.jobs, job_id)
        if as_json:
            print_json(job_rows.full_to_json(found))
        else:
            print_job(found)
        return not follow or ended_well(found.job)

    if not with_letters(work):
        sys.exit(FAILED)


def _print_jobs(jobs: Sequence[Job]) -> None:
    columns = ("ID", "STATE", "DONE", "AGE", "ORDER")
    listed = table(*columns, numbers=("DONE", "AGE"), folded=("ID",))
    now = utc_now()
    for job in jobs:
        order = f"{job.order.action} by {job.who}: {job.why or job.order.reason}"
        progress = f"{done(job):,}/{job.letters:,}"
        listed.add_row(*cells(job.id, job.state, progress, age(job.created_at, now), order))
    print_all(listed)
