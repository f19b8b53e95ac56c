"""One job under one lease: what it waits for, and how it ends."""

import asyncio
import logging
from uuid import UUID

from application.dead_letters.jobs import ItemState, Job, JobState, LeaseLost
from application.dead_letters.replays.tools import Tools
from domain.errors import Unavailable

logger = logging.getLogger(__name__)


class LeasedJob:
    """A job, as it was when its lease was renewed last."""

    def __init__(self, job: Job, worker: UUID, tools: Tools) -> None:
        self.job = job
        self.worker = worker
        self.over = asyncio.Event()
        """Set once nothing more is to be done under this lease."""
        self.moved_at = tools.clock()
        """When letters were published, or an outcome came, the last time."""
        self._jobs = tools.jobs
        self._lease = tools.lease
        self._clock = tools.clock
        self._causes: dict[str, str] = {}
        """By step: what it waits for."""

    async def keep(self) -> float:
        """Renew the lease; return how many seconds later to do it again."""
        await self.renew()
        return self._lease / 3

    async def renew(self) -> None:
        """Renew the lease, and see how the job is by now."""
        self.job = await self._jobs.renew(self.job.id, self.worker)

    async def release(self) -> None:
        """End the lease, so that another worker need not wait."""
        try:
            await self._jobs.release(self.job.id, self.worker)
        except (LeaseLost, Unavailable):
            # It runs out by itself.
            logger.debug("lease not released", extra={"job": str(self.job.id)})

    def moved(self) -> None:
        """Note that letters were published, or that an outcome came."""
        self.moved_at = self._clock()

    def lost(self) -> None:
        """Note that another worker may have the job."""
        if not self.over.is_set():
            logger.warning("dead-letter job lost to another worker", extra={"job": str(self.job.id)})
        self.over.set()

    async def explain(self, name: str, cause: str | None) -> None:
        """Note in the job what its steps wait for."""
        self._causes.pop(name, None)
        if cause is not None:
            self._causes[name] = cause
        why = "; ".join(sorted(set(self._causes.values()))) or None
        try:
            await self._jobs.explain(self.job.id, self.worker, why)
        except LeaseLost:
            self.over.set()

    async def halt(self, why: str) -> None:
        """Leave the job to a person."""
        await self._jobs.halt(self.job.id, self.worker, why)
        logger.warning("dead-letter job halted", extra={"job": str(self.job.id), "cause": why})
        self.over.set()

    async def end(self) -> None:
        """End the job where nothing is left of it, or leave it where only a person can tell how it goes on."""
        if await self._jobs.finish(self.job.id, self.worker):
            await self._log_end()
            self.over.set()
            return
        if self.job.state is not JobState.RUNNING and not await self._has_work():
            await self.release()
            self.over.set()

    async def _has_work(self) -> bool:
        await self.renew()
        unknown = (ItemState.SENDING, ItemState.REPLAYED)
        return self.job.state is JobState.RUNNING or any(self.job.counts.get(state) for state in unknown)

    async def _log_end(self) -> None:
        found = await self._jobs.get(self.job.id)
        if found is None:
            return
        job = found.job
        begun, ended = job.started_at, job.ended_at
        seconds = None if begun is None or ended is None else round((ended - begun).total_seconds(), 3)
        details = {"job": str(job.id), "state": str(job.state), "letters": job.letters, "seconds": seconds}
        counts = {str(state): count for state, count in job.counts.items() if count}
        logger.info("dead-letter job ended", extra={**details, "rate": job.rate, "counts": counts})
