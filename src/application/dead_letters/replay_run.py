"""One job under one lease: publishes its letters, or changes them, and collects their outcomes."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from time import monotonic
from uuid import UUID

from application.consume.pace import Backoff
from application.dead_letters import canary
from application.dead_letters.jobs import ItemState, Job, JobState, LeaseLost, ReplayItem
from application.dead_letters.orders import Action
from application.dead_letters.outcomes import stored_of, waits_for
from application.dead_letters.pacing import CHUNK_LETTERS, Pacing
from application.dead_letters.repetition import Repetition
from application.ports import EventStore, LogReader, Receipt, ReplayJobs, ReplayPublisher
from domain.dead_letter import Failure
from domain.errors import Rejected, Unavailable
from domain.event import UserEvent

logger = logging.getLogger(__name__)

_WAITING = "waiting"


@dataclass(frozen=True, slots=True)
class Tools:
    """What every run works with; times are in seconds."""

    jobs: ReplayJobs
    publisher: ReplayPublisher
    log: LogReader
    store: EventStore
    read: Callable[[ReplayItem], UserEvent | Failure]
    """Reads the event that a replay of a letter publishes."""
    group: str
    """The consumer group that decides on events."""
    lease: float = 15.0
    """For how long a worker keeps a job without renewing its lease; as the jobs' adapter has it."""
    poll: float = 1.0
    """How often to look for a job."""
    look: float = 0.25
    """How often to look for outcomes, or for letters, that are not there yet."""
    patience: float = 60.0
    """After how long without an outcome a job that has nothing to publish leaves its turn to others."""
    backoff: Backoff = field(default_factory=Backoff)
    clock: Callable[[], float] = monotonic


class ReplayRun:
    """Lasts until its job has ended, halted or has nothing to do, its lease is lost, or the process stops."""

    def __init__(self, job: Job, worker: UUID, tools: Tools) -> None:
        self._job = job
        self._worker = worker
        self._tools = tools
        self._pacing = Pacing(job.order.rate_per_second, tools.clock)
        self._has_passed = False
        """Whether the canary has."""
        self._is_sent = False
        """Whether no letter was left to be taken the last time."""
        self._moved_at = tools.clock()
        """When letters were published, or an outcome came, the last time."""
        self._leaves = False
        self._over = asyncio.Event()
        self._causes: dict[str, str] = {}
        """By step: what it waits for."""

    async def run(self, stop: asyncio.Event) -> None:
        """Work; nothing is cancelled, so that on return nothing is in flight."""
        is_replay = self._job.order.action is Action.REPLAY
        steps = {"publishing": self._publish, "collecting outcomes": self._collect}
        if not is_replay:
            steps = {"changing letters": self._change}
        async with asyncio.TaskGroup() as tasks:
            ending = tasks.create_task(self._end_on(stop))
            for name, step in {"keeping the lease": self._keep_lease, **steps}.items():
                tasks.create_task(self._repetition(name, step).run(self._over))
            await self._over.wait()
            ending.cancel()
        if self._leaves or stop.is_set():
            await self._release()

    async def _keep_lease(self) -> float:
        await self._renew()
        return self._tools.lease / 3

    async def _publish(self) -> float:
        """Publish the next letters, in the limits of rate and canary."""
        limit = self._pacing.chunk
        if self._job.state is JobState.RUNNING and self._job.order.canary and not self._has_passed:
            await self._renew()
            if (left := canary.unsent(self._job)) == 0 and not await self._passes():
                return self._tools.look
            limit = min(limit, left or limit)
        items = await self._tools.jobs.next_items(self._job.id, self._worker, limit)
        self._is_sent = not items
        if not items:
            return self._tools.look
        self._pacing.count(len(items))
        outcomes = await self._tools.publisher.publish(items)
        await self._note(dict(zip((item.letter_id for item in items), outcomes, strict=True)))
        self._moved_at = self._tools.clock()
        return self._pacing.wait

    async def _passes(self) -> bool:
        """Judge the canary; one that failed halts the job."""
        outcome = canary.outcome(self._job)
        self._has_passed = outcome is canary.CanaryOutcome.PASSED
        if outcome is canary.CanaryOutcome.FAILED:
            found = await self._tools.jobs.get(self._job.id)
            why = "the canary failed" if found is None else canary.why_failed(found)
            await self._tools.jobs.halt(self._job.id, self._worker, why)
            logger.warning("dead-letter job halted", extra={"job": str(self._job.id), "cause": why})
            self._over.set()
        return self._has_passed

    async def _note(self, outcomes: Mapping[str, Receipt | Rejected | Unavailable]) -> None:
        """Note what the log has taken or refused; raises `Unavailable` where the rest has to be published again."""
        known = {letter: each for letter, each in outcomes.items() if not isinstance(each, Unavailable)}
        if any(isinstance(each, Receipt) and each.offset is None for each in known.values()):
            ends = {partition: span.end - 1 for partition, span in (await self._tools.log.spans()).items()}
            known = {letter: _placed(each, ends) for letter, each in known.items()}
        if known:
            await self._tools.jobs.published(self._job.id, self._worker, known)
        for each in outcomes.values():
            if isinstance(each, Unavailable):
                raise each

    async def _collect(self) -> float:
        """Collect the outcomes of letters that the group has passed; then see whether the job has ended."""
        jobs, job_id = self._tools.jobs, self._job.id
        # Asked first: what the group has committed by then is in the table, or in the DLQ.
        committed = await self._tools.log.committed(self._tools.group)
        items = await jobs.awaiting(job_id, self._worker, committed, CHUNK_LETTERS)
        stored = await stored_of(items, self._tools.store, self._tools.read) if items else ()
        if stored:
            await jobs.stored(job_id, self._worker, stored)
            self._moved_at = self._tools.clock()
            if self._job.why is not None:
                await self._explain(_WAITING, None)
            return 0.0
        if self._is_sent:
            await self._end()
        if self._tools.clock() - self._moved_at >= self._tools.patience and not self._pacing.wait:
            await self._leave(committed)
        return self._tools.look

    async def _leave(self, committed: Mapping[int, int]) -> None:
        """Say for which outcome the job waits, and let jobs that wait for a worker come first."""
        self._moved_at = self._tools.clock()
        ends = {partition: span.end for partition, span in (await self._tools.log.spans()).items()}
        for item in await self._tools.jobs.awaiting(self._job.id, self._worker, ends, 1):
            await self._explain(_WAITING, waits_for(item, committed, self._tools.group))
            self._leaves = True
            self._over.set()

    async def _change(self) -> float:
        """Discard or restore the next letters."""
        if not await self._tools.jobs.change_some(self._job.id, self._worker, CHUNK_LETTERS):
            await self._end()
            return self._tools.look
        return 0.0

    async def _end(self) -> None:
        """End the job where nothing is left of it, or leave it where only a person can tell how it goes on."""
        jobs = self._tools.jobs
        if await jobs.finish(self._job.id, self._worker):
            await self._log_end()
            self._over.set()
            return
        if self._job.state is not JobState.RUNNING and not await self._has_work():
            await self._release()
            self._over.set()

    async def _has_work(self) -> bool:
        await self._renew()
        unknown = (ItemState.SENDING, ItemState.REPLAYED)
        return self._job.state is JobState.RUNNING or any(self._job.counts.get(state) for state in unknown)

    async def _log_end(self) -> None:
        found = await self._tools.jobs.get(self._job.id)
        if found is None:
            return
        job = found.job
        begun, ended = job.started_at, job.ended_at
        seconds = None if begun is None or ended is None else round((ended - begun).total_seconds(), 3)
        details = {"job": str(job.id), "state": str(job.state), "letters": job.letters, "seconds": seconds}
        counts = {str(state): count for state, count in job.counts.items() if count}
        logger.info("dead-letter job ended", extra={**details, "rate": job.rate, "counts": counts})

    async def _renew(self) -> None:
        self._job = await self._tools.jobs.renew(self._job.id, self._worker)

    async def _release(self) -> None:
        try:
            await self._tools.jobs.release(self._job.id, self._worker)
        except (LeaseLost, Unavailable):
            # It runs out by itself.
            logger.debug("lease not released", extra={"job": str(self._job.id)})

    async def _end_on(self, stop: asyncio.Event) -> None:
        await stop.wait()
        self._over.set()

    def _repetition(self, name: str, step: Callable[[], Awaitable[float]]) -> Repetition:
        async def guarded() -> float:
            try:
                return await step()
            except LeaseLost:
                if not self._over.is_set():
                    logger.warning("dead-letter job lost to another worker", extra={"job": str(self._job.id)})
                self._over.set()
                return 0.0

        async def explain(cause: str | None) -> None:
            await self._explain(name, cause)

        return Repetition(f"dead-letter job, {name}", guarded, self._tools.backoff, explain)

    async def _explain(self, name: str, cause: str | None) -> None:
        """Note in the job what its steps wait for."""
        self._causes.pop(name, None)
        if cause is not None:
            self._causes[name] = cause
        why = "; ".join(sorted(set(self._causes.values()))) or None
        try:
            await self._tools.jobs.explain(self._job.id, self._worker, why)
        except LeaseLost:
            self._over.set()


def _placed(outcome: Receipt | Rejected, ends: Mapping[int, int]) -> Receipt | Rejected:
    """Complete a receipt: the record is not behind what stands last in its partition by now."""
    if isinstance(outcome, Rejected) or outcome.offset is not None:
        return outcome
    return outcome._replace(offset=ends[outcome.partition])
