"""Look at jobs, and pause, resume or cancel them."""

from collections.abc import Sequence
from uuid import UUID

from application.dead_letters.jobs import Job, JobCommand, JobInFull
from application.dead_letters.orders import NewEntry
from application.ports import ReplayJobs


class ControlJobs:
    """The jobs that a person sees."""

    def __init__(self, jobs: ReplayJobs) -> None:
        self._jobs = jobs

    async def newest(self, limit: int, before: UUID | None = None) -> Sequence[Job]:
        """List jobs, newest first; those older than the job `before`, if it is given."""
        return await self._jobs.newest(limit, before)

    async def get(self, job_id: UUID) -> JobInFull | None:
        """Find one job with its outcomes."""
        return await self._jobs.get(job_id)

    async def control(self, job_id: UUID, command: JobCommand, *, who: str, reason: str = "") -> Job | None:
        """Pause, resume or cancel a job; None where there is no such job. Raises `NotPossible`."""
        return await self._jobs.control(job_id, command, NewEntry(who, f"{command} job", {"job": str(job_id)}, reason))
