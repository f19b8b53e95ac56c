"""Orders that are carried out in the background."""

from collections.abc import Mapping, Sequence
from typing import Protocol
from uuid import UUID

from application.dead_letters.jobs import Job, JobCommand, JobInFull, ReplayItem
from application.dead_letters.letters import LetterFilter
from application.dead_letters.orders import NewEntry, Order
from application.ports.event_publisher import Receipt
from domain.errors import Rejected


class ReplayJobs(Protocol):
    """Durable jobs, each carried out by one worker at a time under a lease.

    A worker that does not renew its lease loses the job to another one; all that it tries then raises `LeaseLost` and
    changes nothing.
    """

    async def create(self, wanted: LetterFilter, order: Order, entry: NewEntry, expected: int | None) -> Job:
        """Make a job of the letters that `DeadLetterIndex.preview` counts, with an entry in the audit log.

        Letters to be replayed become `replaying`, so that they belong to one job. A job without letters is finished.
        Raises `CountChanged` where their number is not `expected` (None: any number will do).
        """
        ...

    async def newest(self, limit: int, before: UUID | None = None) -> Sequence[Job]:
        """List jobs, newest first; those older than the job `before`, if it is given."""
        ...

    async def get(self, job_id: UUID) -> JobInFull | None:
        """Find one job."""
        ...

    async def control(self, job_id: UUID, command: JobCommand, entry: NewEntry) -> Job | None:
        """Pause, resume or cancel a job, with an entry in the audit log; None where there is no such job.

        Raises `NotPossible` where the job has ended, or is not in a state that `command` fits. A job that was halted
        or paused and is resumed has no canary any more.
        """
        ...

    async def claim(self, worker: UUID) -> Job | None:
        """Take a job that has work and no worker, or whose worker has let its lease run out.

        It is the one that has had no worker for longest.

        Running jobs have work, and so have others with letters that are `sending` or `replayed`: without an outcome.
        """
        ...

    async def renew(self, job_id: UUID, worker: UUID) -> Job:
        """Keep the lease, and see how the job stands now."""
        ...

    async def release(self, job_id: UUID, worker: UUID) -> None:
        """Give the lease up; another worker may take the job at once, but those that have waited longer come first."""
        ...

    async def next_items(self, job_id: UUID, worker: UUID, limit: int) -> Sequence[ReplayItem]:
        """Take the next letters to be published, in the order of their first failures; they are `sending` from now on.

        Those that were taken before and never noted as published come first; where the job is not running no others
        are taken. At least one, but fewer than `limit` where their values are large.
        """
        ...

    async def published(self, job_id: UUID, worker: UUID, outcomes: Mapping[str, Receipt | Rejected]) -> None:
        """Note what was published, by letter: `replayed`, and where; or that the log refuses it: `dead` again.

        A letter that has failed again meanwhile stays `dead`. Each receipt names its offset.
        """
        ...

    async def awaiting(
        self, job_id: UUID, worker: UUID, committed: Mapping[int, int], limit: int
    ) -> Sequence[ReplayItem]:
        """List letters that are `replayed` and whose records are before the offsets `committed`, by partition.

        In the order of first failures; at least one, but fewer than `limit` where their values are large.
        """
        ...

    async def stored(self, job_id: UUID, worker: UUID, letter_ids: Sequence[str]) -> None:
        """Note letters whose events the table has. A letter that has failed again meanwhile stays `dead`."""
        ...

    async def change_some(self, job_id: UUID, worker: UUID, limit: int) -> int:
        """Carry out a discard or a restore on the next letters; return how many were taken, 0 when none is left.

        Those whose state does not allow it any more are `cancelled`. None is taken where the job is not running.
        """
        ...

    async def explain(self, job_id: UUID, worker: UUID, why: str | None) -> None:
        """Note what the job waits for, None for nothing; the cause of a halt stays."""
        ...

    async def halt(self, job_id: UUID, worker: UUID, why: str) -> None:
        """Halt the job, unless it was cancelled, and give up the lease."""
        ...

    async def finish(self, job_id: UUID, worker: UUID) -> bool:
        """End the job where each of its letters has its outcome, and give up the lease; return whether it has ended.

        A cancelled job stays `cancelled`, a halted one does not end.
        """
        ...
