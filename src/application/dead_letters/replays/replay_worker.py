"""Carries out the jobs: in each consumer process some at a time, each of them under a lease."""

import asyncio
import logging
from collections.abc import Callable
from uuid import UUID

from application.dead_letters.jobs import ItemState, Job
from application.dead_letters.repetition import Repetition
from application.dead_letters.replays.replay_run import ReplayRun
from application.dead_letters.replays.tools import Tools

logger = logging.getLogger(__name__)

_JOBS_AT_ONCE = 4
"""So that one that is slow, or waits for outcomes, does not keep the others waiting."""


class ReplayWorker:
    """Takes jobs for as long as it runs; a job that it leaves is taken over by another worker."""

    def __init__(self, tools: Tools, new_id: Callable[[], UUID]) -> None:
        self._tools = tools
        self._new_id = new_id
        self._turn = asyncio.Lock()
        """Held by the one who looks for a job."""

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set; jobs in flight are left in order then."""
        async with asyncio.TaskGroup() as tasks:
            for _ in range(_JOBS_AT_ONCE):
                tasks.create_task(self._work(stop))

    async def _work(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            # A worker of its own for each lease: what is in flight from an old one cannot pass for the new one's.
            worker = self._new_id()
            async with self._turn:
                job = await self._next(worker, stop)
            if job is not None:
                untouched = job.counts.get(ItemState.WAITING, 0) == job.letters
                text = "dead-letter job started" if untouched else "dead-letter job taken over"
                # One that waits is taken again and again.
                level = logging.INFO if job.why is None else logging.DEBUG
                logger.log(
                    level, text, extra={"job": str(job.id), "action": str(job.order.action), "letters": job.letters}
                )
                await ReplayRun(job, worker, self._tools).run(stop)

    async def _next(self, worker: UUID, stop: asyncio.Event) -> Job | None:
        """Wait for a job; None after a stop."""
        found: list[Job] = []
        # Set by the stop, and by the first job that is found.
        ready = asyncio.Event()

        async def claim() -> float:
            if stop.is_set():
                ready.set()
            elif (job := await self._tools.jobs.claim(worker)) is not None:
                found.append(job)
                ready.set()
            return self._tools.poll

        async with asyncio.TaskGroup() as tasks:
            stopping = tasks.create_task(_passed_on(stop, ready))
            await Repetition("claiming dead-letter jobs", claim, self._tools.backoff).run(ready)
            stopping.cancel()
        return next(iter(found), None)


async def _passed_on(event: asyncio.Event, other: asyncio.Event) -> None:
    await event.wait()
    other.set()
