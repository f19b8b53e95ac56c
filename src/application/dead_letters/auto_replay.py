"""Letters that only an outage has made are replayed by themselves once it is over."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from time import monotonic

from application.consume.pace import Backoff
from application.dead_letters.jobs import JobState
from application.dead_letters.letters import LetterFilter
from application.dead_letters.orders import Action, CountChanged, NewEntry, Order
from application.dead_letters.repetition import Repetition
from application.ports import DeadLetterIndex, EventStore, ReplayJobs
from domain.dead_letter import FailureKind
from domain.errors import Rejected, Unavailable

logger = logging.getLogger(__name__)

WHO = "auto"
MAX_REPLAYS = 10
_MAX_LETTERS = 1_000
"""Of one job."""
_PROBE_SECONDS = 5.0
_GOOD_SECONDS = 60.0
"""For how long the store has to take events in a row."""
_RECENT_JOBS = 20
_UNFINISHED = {JobState.RUNNING, JobState.PAUSED, JobState.HALTED}


class AutoReplay:
    """Replays letters of kind `exhausted`, with growing delay, while the store takes events."""

    def __init__(
        self,
        index: DeadLetterIndex,
        jobs: ReplayJobs,
        store: EventStore,
        backoff: Backoff,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        """`clock` returns seconds."""
        self._index = index
        self._jobs = jobs
        self._store = store
        self._backoff = backoff
        self._clock = clock
        self._good_since: float | None = None

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set."""
        await Repetition("replaying by itself", self._look, self._backoff).run(stop)

    async def _look(self) -> float:
        due = await self._index.due(FailureKind.EXHAUSTED, MAX_REPLAYS, _MAX_LETTERS)
        if not due:
            # A probe writes to the database.
            self._good_since = None
        elif await self._is_good():
            await self._replay(due)
        return _PROBE_SECONDS

    async def _is_good(self) -> bool:
        """Tell whether the store has taken events for long enough."""
        good_since, self._good_since = self._good_since, None
        try:
            await self._store.probe()
        except (Unavailable, Rejected):
            # The consumer tells of the outage.
            return False
        now = self._clock()
        self._good_since = now if good_since is None else good_since
        return now - self._good_since >= _GOOD_SECONDS

    async def _replay(self, due: Sequence[str]) -> None:
        if await self._is_at_work():
            return
        order = Order(Action.REPLAY, "the database takes events again", max_replays=MAX_REPLAYS)
        entry = NewEntry(WHO, order.action, {"ids": list(due)}, order.reason)
        try:
            job = await self._jobs.create(LetterFilter(ids=due), order, entry, expected=len(due))
        except CountChanged:
            # Another process was first.
            return
        logger.info("replaying by itself", extra={"job": str(job.id), "letters": job.letters})

    async def _is_at_work(self) -> bool:
        """Tell whether a job of this kind, of whatever process, is unfinished."""
        return any(job.who == WHO and job.state in _UNFINISHED for job in await self._jobs.newest(_RECENT_JOBS))
