"""Collects the outcomes of a job's letters."""

from collections.abc import Mapping

from application.dead_letters.replays.leased_job import LeasedJob
from application.dead_letters.replays.outcomes import stored_of, waits_for
from application.dead_letters.replays.pacing import CHUNK_LETTERS
from application.dead_letters.replays.publishing import Publishing
from application.dead_letters.replays.tools import Tools

_WAITING = "waiting"


class Collecting:
    """Follows the consumer group's positions, and ends the job after the last outcome."""

    def __init__(self, leased: LeasedJob, publishing: Publishing, tools: Tools) -> None:
        self.leaves = False
        """Whether the job gives its turn to others."""
        self._leased = leased
        self._publishing = publishing
        self._tools = tools

    async def step(self) -> float:
        """Collect the outcomes of letters that the group has passed; then see whether the job has ended."""
        jobs, leased = self._tools.jobs, self._leased
        # Asked first: what the group has committed by then is in the table, or in the DLQ.
        committed = await self._tools.log.committed(self._tools.group)
        items = await jobs.awaiting(leased.job.id, leased.worker, committed, CHUNK_LETTERS)
        stored = await stored_of(items, self._tools.store, self._tools.read) if items else ()
        if stored:
            await jobs.stored(leased.job.id, leased.worker, stored)
            leased.moved()
            if leased.job.why is not None:
                await leased.explain(_WAITING, None)
            return 0.0
        if self._publishing.is_sent:
            await leased.end()
        if self._tools.clock() - leased.moved_at >= self._tools.patience and not self._publishing.wait:
            await self._leave(committed)
        return self._tools.look

    async def _leave(self, committed: Mapping[int, int]) -> None:
        """Say for which outcome the job waits, and let jobs that wait for a worker come first."""
        leased = self._leased
        leased.moved()
        ends = {partition: span.end for partition, span in (await self._tools.log.spans()).items()}
        for item in await self._tools.jobs.awaiting(leased.job.id, leased.worker, ends, 1):
            await leased.explain(_WAITING, waits_for(item, committed, self._tools.group))
            self.leaves = True
            leased.over.set()
