"""The consumer's loop: poll, process, commit; hold what the world cannot take now; drain when told to stop."""

import asyncio
import logging
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime

from application.custody import Custody
from application.execution import Execution
from application.holding import Backoff, Held, Work
from application.ports import Batch, EventSource, Withdrawn
from application.process_event import ProcessEvent
from application.stopping import finishing, pause
from application.stops import Stops
from application.watchdog import Pulse
from domain.errors import Unavailable
from domain.stop import Stop

logger = logging.getLogger(__name__)

_AHEAD_SECONDS = 0.02
"""How long to wait for the next batch while one is being worked on, which may have to be tried again soon."""
BATCHES_IN_HAND = 3
"""One that is being stored or committed, the next, which is on its way, and one behind that, which is being read."""
_LARGE_SHARE = 0.1
"""From what share of a full batch on a batch tells that more records are waiting."""
_SUSPICIOUS_BATCH = 100
"""How many records are read at a time while they are taken one by one, so that polling goes on."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How the pipeline spends its time. Times are in seconds."""

    batch_size: int = 5_000
    poll_wait: float = 0.5
    """How long a poll waits for records; bounds how late a stop is noticed."""
    backoff: Backoff = field(default_factory=Backoff)
    retry_budget: float | None = None
    """How long a batch is tried before it is parked as `exhausted`; None means for ever."""
    finish: float = 20.0
    """For how long after a stop the batches in hand may go on."""
    look: float = 2.0
    """How often to look whether a person has resumed what is stopped."""


class Pipeline:
    """Moves batches from the source to the store; commits only what is durable."""

    def __init__(
        self,
        source: EventSource,
        process: ProcessEvent,
        custody: Custody,
        clock: Callable[[], datetime],
        pace: Pace = Pace(),
    ) -> None:
        """`custody` has to be the one that `source` was made with."""
        self._source = source
        self._process = process
        self._custody = custody
        self._pace = pace
        self._held = Held(source, custody, clock, pace.backoff)
        self._execution = Execution(source, process, custody, self._held, clock=clock, retry_budget=pace.retry_budget)
        self._stops = Stops(source, custody, pace.look)
        self._poll_trouble: str | None = None
        self._poll_failures = 0
        self._turns = 0

    @property
    def holding(self) -> str | None:
        """Why something does not move at present although nobody has stopped it, or None while all is well."""
        return self._poll_trouble or "; ".join(self._held.causes) or None

    @property
    def stopped(self) -> Mapping[int, Stop]:
        """The partitions that are not read on until a person resumes them."""
        return self._stops.standing

    @property
    def suspected(self) -> Mapping[int, int]:
        """The partitions whose records are read one by one, each with the offset where that ends at the latest."""
        return self._custody.suspected

    @property
    def committed(self) -> int:
        """How many records were committed so far."""
        return self._execution.committed

    @property
    def pulse(self) -> Pulse:
        """What was done so far."""
        return Pulse(self._turns, self._process.asked + self.committed)

    @property
    def is_reading(self) -> bool:
        """Whether the log could be read the last time."""
        return self._poll_trouble is None

    @property
    def resting(self) -> Collection[int]:
        """The partitions of which nothing is to be expected: held or stopped."""
        return {*self._held.partitions, *self.stopped}

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set; then finish what is begun, within a limit. The rest will be read again."""
        try:
            async with finishing(stop, self._pace.finish) as limit:
                await self._work(stop)
        except TimeoutError:
            if not limit.expired():
                raise
            logger.warning("what was begun is given up", extra={"seconds": self._pace.finish})
        finally:
            unfinished = self._execution.unfinished
            for work in self._held.works:
                self._held.give_back(work)
            level = logging.WARNING if unfinished else logging.INFO
            logger.log(level, "drained", extra={"committed": self.committed, "unfinished": unfinished})

    async def _work(self, stop: asyncio.Event) -> None:
        """Read on while two batches are being stored, one behind the other."""
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        turn.set_result(None)
        earlier = turn
        try:
            while not stop.is_set():
                self._turns += 1
                if self._custody.is_suspicious:
                    # Nothing may happen beside a record that kills, lest another one is blamed.
                    await turn
                work = await self._read(stop, is_ahead=not turn.done())
                await earlier
                earlier = turn
                if work is not None:
                    turn = asyncio.create_task(self._turn(work, earlier, stop))
                if work is None or len(work.batch.records) < _LARGE_SHARE * self._pace.batch_size:
                    # What comes meanwhile had better be stored together.
                    await earlier
                # No fourth batch is read before the first is done with.
                if (committing := self._execution.committing) is not None:
                    await committing
            await turn
            await self._execution.last_commit()
        finally:
            under_way = [each for each in (earlier, turn, self._execution.committing) if each is not None]
            for each in under_way:
                each.cancel()
            await asyncio.gather(*under_way, return_exceptions=True)

    async def _read(self, stop: asyncio.Event, *, is_ahead: bool) -> Work | None:
        """Read the next batch; None after a pause where the log cannot be read."""
        limit = min(self._pace.batch_size, _SUSPICIOUS_BATCH) if self._custody.is_suspicious else self._pace.batch_size
        wait = self._held.until_due(_AHEAD_SECONDS if is_ahead else self._pace.poll_wait)
        try:
            batch = await self._source.poll(limit, wait)
        except Unavailable as unavailable:
            if self._poll_trouble is None:
                logger.warning("cannot read the log at present", extra={"cause": str(unavailable)})
            self._poll_trouble = str(unavailable)
            self._poll_failures += 1
            await pause(self._pace.backoff.after(self._poll_failures), stop)
            return None
        if self._poll_trouble is not None:
            logger.info("reading the log again", extra={"failures": self._poll_failures})
        self._poll_trouble = None
        self._poll_failures = 0
        work = Work(batch, rewinds=self._held.rewinds)
        if batch.records:
            self._execution.in_hand.add(work)
        if self._custody.is_suspicious:
            if not batch.records:
                await self._trust_what_is_caught_up()
        elif self._custody.has_attempted(batch.partitions):
            work.readings = await self._process.read(batch)
        return work

    async def _trust_what_is_caught_up(self) -> None:
        """End the suspicion where the log is read to its end: what killed earlier consumers stood before that."""
        with suppress(Unavailable):
            lag = await self._source.lag()
            self._custody.trust(partition for partition, records in lag.items() if records == 0)

    async def _turn(self, work: Work, before: asyncio.Future[None], stop: asyncio.Event) -> None:
        """Work on what was read, behind the turn before, and on one batch of those that are held."""
        if not await self._begun_early(work, before, stop):
            await before
            await self._take(work, stop)
        if stop.is_set():
            return
        if self._held:
            # What is being committed may stand behind it.
            await self._execution.last_commit()
        # One a turn, so that polling goes on, which keeps this member in its group.
        if (due := self._held.due()) is not None:
            await self._execution.carry_out(due)
        await self._stops.mind(self._held.partitions)

    async def _begun_early(self, work: Work, before: asyncio.Future[None], stop: asyncio.Event) -> bool:
        """Begin a batch while the one before it is being stored; False where it has to wait for what becomes of that.

        It is carried out behind that one, and only if that one has left nothing that needs a closer look.
        """
        may_follow: bool | None = None

        async def before_commit() -> None:
            nonlocal may_follow
            # Not `await before`: a batch that runs out of time would cancel it.
            await asyncio.wait([before])
            if may_follow is None:
                went_well = not before.cancelled() and before.exception() is None
                may_follow = went_well and self._is_ordinary(work)
            if not may_follow:
                raise Withdrawn

        with suppress(Withdrawn):
            if work.batch.records and not stop.is_set() and self._is_ordinary(work):
                await self._execution.begin(work, before_commit)
                return True
        return False

    def _is_ordinary(self, work: Work) -> bool:
        """Tell whether there is nothing to be careful about."""
        is_careful = self._custody.stopped or self._held or self._custody.is_suspicious
        return self._source.owns(work.batch) and not is_careful and not self._held.stale_partitions(work)

    async def _take(self, work: Work, stop: asyncio.Event) -> None:
        """Work on what was read: all at once, but the records of a suspect partition each alone."""
        self._held.drop_stale(work)
        if not work.batch.records:
            self._execution.in_hand.discard(work)
            return
        if stop.is_set() or not self._source.owns(work.batch):
            # Nothing is begun any more, since it may take long to end; or it will be read by another consumer.
            self._held.rewind(work.batch)
            self._execution.in_hand.discard(work)
            return
        if self._is_ordinary(work):
            await self._execution.begin(work)
            return
        await self._execution.last_commit()
        self._held.drop_stale(work)
        batch = work.batch
        blocked, suspects, others = [], [], []
        doubted = set()
        for record in batch.records:
            if record.partition in self._custody.stopped or record.partition in self._held:
                blocked.append(record)
            elif record.partition in doubted or self._custody.is_suspect(record):
                # With all that stands behind it in its partition, which may not be committed before it.
                doubted.add(record.partition)
                suspects.append(record)
            else:
                others.append(record)
        if blocked:
            # Read before the source was told to deliver nothing of their partitions.
            self._held.rewind(Batch(blocked, batch.assignment))
            work.batch = Batch([*others, *suspects], batch.assignment)
        if others:
            await self._execution.carry_out(Work(Batch(others, batch.assignment)))
        if suspects:
            await self._take_one_by_one(Batch(suspects, batch.assignment), stop)
        self._execution.in_hand.discard(work)

    async def _take_one_by_one(self, batch: Batch, stop: asyncio.Event) -> None:
        for partition in sorted(batch.partitions):
            records = batch.part({partition}).records
            for place, record in enumerate(records):
                is_blocked = partition in self._held or partition in self._custody.stopped
                if is_blocked or stop.is_set() or not self._source.owns(batch):
                    self._held.rewind(Batch(records[place:], batch.assignment))
                    break
                if not await self._execution.carry_out(Work(Batch([record], batch.assignment), is_suspect=True)):
                    # Nothing behind it may be committed before it.
                    self._held.rewind(Batch(records[place + 1 :], batch.assignment))
                    break
