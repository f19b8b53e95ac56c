"""Take batches to their end: durable first, then committed; what the world cannot take now is held."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from functools import partial

from application.custody import Custody
from application.holding import Held, Work
from application.ports import BeforeCommit, EventSource, Superseded, at_once
from application.process_event import Attempt, Outcome, ProcessEvent
from domain.errors import Unavailable


class Execution:
    """Carries works out; of two in a row the second is begun while the first is being stored or committed."""

    def __init__(
        self,
        source: EventSource,
        process: ProcessEvent,
        custody: Custody,
        held: Held,
        *,
        clock: Callable[[], datetime],
        retry_budget: float | None,
    ) -> None:
        """`retry_budget`: how long a work is tried before it is parked, in seconds; None means for ever."""
        self._source = source
        self._process = process
        self._custody = custody
        self._held = held
        self._clock = clock
        self._retry_budget = retry_budget
        self.in_hand: set[Work] = set()
        """What was read and is neither done with nor held."""
        self.committing: asyncio.Task[None] | None = None
        """The last commit that was left to go on beside the next work."""
        self.committed = 0
        """How many records were committed so far."""
        self._committed_to: dict[int, int] = {}
        """By partition, the offset behind the last record that was committed."""

    @property
    def unfinished(self) -> int:
        """How many records were read, and are neither committed nor given back."""
        works = (*self._held.works, *self.in_hand)
        read = {(record.partition, record.offset) for work in works for record in work.batch.records}
        return sum(offset >= self._committed_to.get(partition, 0) for partition, offset in read)

    async def carry_out(self, work: Work) -> bool:
        """Persist and commit; False where that failed, so that `work` is held or given up."""
        return await self._try(work, self._persist_and_commit)

    async def begin(self, work: Work, before_commit: BeforeCommit = at_once) -> None:
        """Persist `work`, which is in hand, and leave its commit to go on beside the next one.

        Where either fails it is held or given up, and in hand no longer. Nothing of it is seen before `before_commit`
        returns; where that raises `Withdrawn` nothing was done.
        """
        if await self._try(work, partial(self._persist, before_commit=before_commit)):
            self.committing = asyncio.create_task(self._finish(work))
        else:
            self.in_hand.discard(work)

    async def last_commit(self) -> None:
        """Return when the last commit that was left to go on is over."""
        if self.committing is not None:
            await self.committing

    async def _try(self, work: Work, step: Callable[[Work], Awaitable[None]]) -> bool:
        """Take a step with `work`; where that fails hold it, or give it up to whoever has it by now."""
        try:
            await step(work)
        except Superseded:
            self._held.supersede(work)
        except Unavailable as unavailable:
            self._held.hold(work, unavailable)
        else:
            return True
        return False

    async def _persist_and_commit(self, work: Work) -> None:
        if work.is_suspect:
            async with self._custody.in_hand(work.batch.records[0]) as may_be_tried:
                await self._persist(work, is_condemned=not may_be_tried)
                await self._commit(work)
        else:
            await self._persist(work)
            await self._commit(work)

    async def _finish(self, work: Work) -> None:
        await self._try(work, self._commit)
        self.in_hand.discard(work)

    async def _persist(self, work: Work, *, is_condemned: bool = False, before_commit: BeforeCommit = at_once) -> None:
        """Make rows, letters and stops durable, and wait for the commit of the work before."""
        try:
            if not work.is_durable:
                await self._custody.attempt(work.batch.partitions)
                outcome = await self._settle(work, is_condemned=is_condemned, before_commit=before_commit)
                work.batch, work.stops, work.is_durable = outcome.batch, outcome.stops, True
                if outcome.left.records:
                    self._held.rewind(outcome.left)
            # Before the commit: whoever reads on from there must know.
            for partition, stop in work.stops.items():
                await self._custody.stop(partition, stop)
        except Unavailable:
            # What was read first is held first.
            await before_commit()
            raise
        finally:
            # And committed first.
            await self.last_commit()

    async def _commit(self, work: Work) -> None:
        self._held.line_up(work)
        if work.batch.records:
            await self._source.commit(work.batch)
            self.committed += len(work.batch.records)
            self._committed_to |= work.batch.ends
            self._held.let_go(work)

    async def _settle(self, work: Work, *, is_condemned: bool, before_commit: BeforeCommit) -> Outcome:
        if is_condemned:
            return await self._process.condemn(work.batch, work.attempt)
        if work.cause is not None and self._is_spent(work.attempt):
            return await self._process.give_up(work.batch, work.cause, work.attempt)
        return await self._process(work.batch, work.attempt, work.readings, before_commit=before_commit)

    def _is_spent(self, attempt: Attempt) -> bool:
        if self._retry_budget is None or attempt.first_failed_at is None:
            return False
        return (self._clock() - attempt.first_failed_at).total_seconds() >= self._retry_budget
