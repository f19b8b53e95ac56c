"""One job under one lease: publishes its letters, or changes them, and collects their outcomes."""

import asyncio
from collections.abc import Awaitable, Callable
from uuid import UUID

from application.dead_letters.jobs import Job, LeaseLost
from application.dead_letters.orders import Action
from application.dead_letters.repetition import Repetition
from application.dead_letters.replays.collecting import Collecting
from application.dead_letters.replays.leased_job import LeasedJob
from application.dead_letters.replays.pacing import CHUNK_LETTERS
from application.dead_letters.replays.publishing import Publishing
from application.dead_letters.replays.tools import Tools


class ReplayRun:
    """Lasts until its job has ended, halted or has nothing to do, its lease is lost, or the process stops."""

    def __init__(self, job: Job, worker: UUID, tools: Tools) -> None:
        self._tools = tools
        self._leased = LeasedJob(job, worker, tools)
        self._publishing = Publishing(self._leased, tools)
        self._collecting = Collecting(self._leased, self._publishing, tools)

    async def run(self, stop: asyncio.Event) -> None:
        """Work; nothing is cancelled, so that on return nothing is in flight."""
        is_replay = self._leased.job.order.action is Action.REPLAY
        steps = {"publishing": self._publishing.step, "collecting outcomes": self._collecting.step}
        if not is_replay:
            steps = {"changing letters": self._change}
        async with asyncio.TaskGroup() as tasks:
            ending = tasks.create_task(self._end_on(stop))
            for name, step in {"keeping the lease": self._leased.keep, **steps}.items():
                tasks.create_task(self._repetition(name, step).run(self._leased.over))
            await self._leased.over.wait()
            ending.cancel()
        if self._collecting.leaves or stop.is_set():
            await self._leased.release()

    async def _change(self) -> float:
        """Discard or restore the next letters."""
        leased = self._leased
        if not await self._tools.jobs.change_some(leased.job.id, leased.worker, CHUNK_LETTERS):
            await leased.end()
            return self._tools.look
        return 0.0

    async def _end_on(self, stop: asyncio.Event) -> None:
        await stop.wait()
        self._leased.over.set()

    def _repetition(self, name: str, step: Callable[[], Awaitable[float]]) -> Repetition:
        async def guarded() -> float:
            try:
                return await step()
            except LeaseLost:
                self._leased.lost()
                return 0.0

        async def explain(cause: str | None) -> None:
            await self._leased.explain(name, cause)

        return Repetition(f"dead-letter job, {name}", guarded, self._tools.backoff, explain)
