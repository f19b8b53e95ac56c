"""Publishes a job's letters, in the limits of its rate and its canary."""

from collections.abc import Mapping

from application.dead_letters.jobs import JobState
from application.dead_letters.replays import canary
from application.dead_letters.replays.leased_job import LeasedJob
from application.dead_letters.replays.pacing import Pacing
from application.dead_letters.replays.tools import Tools
from application.ports import Receipt
from domain.errors import Rejected, Unavailable


class Publishing:
    """Takes the letters in the job's order; those that a lost worker took are published again."""

    def __init__(self, leased: LeasedJob, tools: Tools) -> None:
        self.is_sent = False
        """Whether no letter was left to be taken the last time."""
        self._leased = leased
        self._tools = tools
        self._pacing = Pacing(leased.job.order.rate_per_second, tools.clock)
        self._has_passed = False
        """Whether the canary has."""

    @property
    def wait(self) -> float:
        """How many seconds the rate asks to wait for before the next letters."""
        return self._pacing.wait

    async def step(self) -> float:
        """Publish the next letters; return how many seconds to wait."""
        leased, limit = self._leased, self._pacing.chunk
        if leased.job.state is JobState.RUNNING and leased.job.order.canary and not self._has_passed:
            await leased.renew()
            if (left := canary.unsent(leased.job)) == 0 and not await self._passes():
                return self._tools.look
            limit = min(limit, left or limit)
        items = await self._tools.jobs.next_items(leased.job.id, leased.worker, limit)
        self.is_sent = not items
        if not items:
            return self._tools.look
        self._pacing.count(len(items))
        outcomes = await self._tools.publisher.publish(items)
        await self._note(dict(zip((item.letter_id for item in items), outcomes, strict=True)))
        leased.moved()
        return self._pacing.wait

    async def _passes(self) -> bool:
        """Judge the canary; one that failed halts the job."""
        outcome = canary.outcome(self._leased.job)
        self._has_passed = outcome is canary.CanaryOutcome.PASSED
        if outcome is canary.CanaryOutcome.FAILED:
            found = await self._tools.jobs.get(self._leased.job.id)
            await self._leased.halt("the canary failed" if found is None else canary.why_failed(found))
        return self._has_passed

    async def _note(self, outcomes: Mapping[str, Receipt | Rejected | Unavailable]) -> None:
        """Note what the log has taken or refused; raises `Unavailable` where the rest has to be published again."""
        known = {letter: each for letter, each in outcomes.items() if not isinstance(each, Unavailable)}
        if any(isinstance(each, Receipt) and each.offset is None for each in known.values()):
            ends = {partition: span.end - 1 for partition, span in (await self._tools.log.spans()).items()}
            known = {letter: _placed(each, ends) for letter, each in known.items()}
        if known:
            await self._tools.jobs.published(self._leased.job.id, self._leased.worker, known)
        for each in outcomes.values():
            if isinstance(each, Unavailable):
                raise each


def _placed(outcome: Receipt | Rejected, ends: Mapping[int, int]) -> Receipt | Rejected:
    """Complete a receipt: the record is not behind what stands last in its partition by now."""
    if isinstance(outcome, Rejected) or outcome.offset is not None:
        return outcome
    return outcome._replace(offset=ends[outcome.partition])
