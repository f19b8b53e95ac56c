"""What is in hand: batches on their way, and those that the world cannot take now."""

import asyncio
import logging
import random
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from datetime import datetime

from application.custody import Custody
from application.ports import Batch, EventSource
from application.process_event import Attempt, Reading
from domain.errors import Unavailable
from domain.stop import Stop

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Backoff:
    """Full jitter: anything up to a bound that doubles with each failure. Times are in seconds."""

    first: float = 0.2
    most: float = 15.0

    def after(self, failures: int) -> float:
        """Choose a pause; failures are counted from 1."""
        return random.uniform(0, min(self.most, self.first * 2 ** min(failures, 32)))  # noqa: S311 - no secret


@dataclass(slots=True, eq=False)
class Work:
    """A batch on its way, and how far it came; equal only to itself."""

    batch: Batch
    readings: Sequence[Reading] | None = None
    """What its records hold, where that was looked at already."""
    rewinds: Mapping[int, int] = field(default_factory=dict)
    """How often something of each partition had been given back when `batch` was read; of what was just read alone."""
    is_suspect: bool = False
    """Whether it is a single record that may kill this process."""
    attempt: Attempt = field(default_factory=Attempt)
    cause: Unavailable | None = None
    """What the last try failed on."""
    is_durable: bool = False
    """Whether its rows and letters stand, so that only the stops and the commit are missing."""
    stops: Mapping[int, Stop] = field(default_factory=dict)
    """The partitions that are to be stopped before the commit."""
    not_before: float = 0.0
    """When to try again, by the loop's clock."""


class Held:
    """Works that are tried again later, each partition by itself: what troubles one may not trouble the others.

    The source delivers nothing of their partitions meanwhile. Whatever is given back to it, is given back here, since
    what was read behind that must not overtake it.
    """

    def __init__(
        self, source: EventSource, custody: Custody, clock: Callable[[], datetime], backoff: Backoff = Backoff()
    ) -> None:
        self._source = source
        self._custody = custody
        self._clock = clock
        self._backoff = backoff
        self._works: dict[int, Work] = {}
        self._rewinds: Counter[int] = Counter()
        """How often something of each partition was given back."""

    def __contains__(self, partition: int) -> bool:
        return partition in self._works

    def __bool__(self) -> bool:
        return bool(self._works)

    @property
    def partitions(self) -> Collection[int]:
        """Of what something is held."""
        return self._works.keys()

    @property
    def works(self) -> list[Work]:
        """Every work, each of one partition."""
        return list(self._works.values())

    @property
    def causes(self) -> list[str]:
        """What they wait for, each cause once."""
        return sorted({str(work.cause) for work in self._works.values()})

    @property
    def rewinds(self) -> Mapping[int, int]:
        """How often something of each partition was given back so far; to be kept with what is read now."""
        return dict(self._rewinds)

    def rewind(self, batch: Batch) -> None:
        """Have `batch` read again, and with it all of its partitions that was read behind it."""
        self._rewinds.update(self._source.rewind(batch))

    def stale_partitions(self, work: Work) -> AbstractSet[int]:
        """Name those of `work` of which something was given back after it was read: that is read again with it."""
        if work.rewinds == self._rewinds:
            return frozenset()
        return {each for each in work.batch.partitions if work.rewinds.get(each, 0) != self._rewinds[each]}

    def drop_stale(self, work: Work) -> None:
        """Take from `work` what is stale; the source stands before it already."""
        if stale := self.stale_partitions(work):
            work.batch = work.batch.part(work.batch.partitions - stale)
            work.readings = None

    def hold(self, work: Work, cause: Unavailable) -> None:
        """Keep `work` to be tried again after a pause."""
        self.line_up(work)
        if not self._works:
            logger.warning("holding", extra={"cause": str(cause), "partitions": sorted(work.batch.partitions)})
        attempt = Attempt(work.attempt.number + 1, work.attempt.first_failed_at or self._clock())
        for partition in work.batch.partitions:
            self._works[partition] = replace(
                work,
                batch=work.batch.part({partition}),
                readings=None,
                attempt=attempt,
                cause=cause,
                stops=_of(partition, work.stops),
                not_before=_now() + self._backoff.after(work.attempt.number),
            )
        self._source.pause(work.batch.partitions)

    def line_up(self, work: Work) -> None:
        """Take from `work` what stands behind a batch that is held by now, since its commit failed meanwhile.

        What is durable is committed together with that batch, under the later one's claim, what is not is given back.
        """
        behind = {partition for partition in work.batch.partitions if self._works.get(partition, work) is not work}
        for partition in behind:
            held, part = self._works[partition], work.batch.part({partition})
            if work.is_durable and held.is_durable:
                held.batch = Batch([*held.batch.records, *part.records], part.assignment)
                held.stops = {**held.stops, **_of(partition, work.stops)}
            else:
                self.rewind(part)
        if behind:
            work.batch = work.batch.part(work.batch.partitions - behind)

    def supersede(self, work: Work) -> None:
        """Leave `work` to whoever has its partitions by now."""
        logger.info("batch superseded: it is read again", extra={"records": len(work.batch.records)})
        self.give_back(work)

    def give_back(self, work: Work) -> None:
        """Have `work` read again."""
        self.rewind(work.batch)
        self.let_go(work)

    def let_go(self, work: Work) -> None:
        """Hold `work` no longer, if it was held."""
        freed = [partition for partition in work.batch.partitions if self._works.get(partition) is work]
        if freed:
            for partition in freed:
                del self._works[partition]
            self._source.resume([partition for partition in freed if partition not in self._custody.stopped])
            if not self._works:
                logger.info("going on")

    def due(self) -> Work | None:
        """Choose what to try again now; what another consumer has by now is given up."""
        for work in self.works:
            if not self._source.owns(work.batch):
                self.supersede(work)
        first = min(self._works.values(), key=lambda work: work.not_before, default=None)
        return first if first is not None and first.not_before <= _now() else None

    def until_due(self, most: float) -> float:
        """Tell for how many seconds there is nothing to try again, `most` at most."""
        return min([most, *(max(0.0, work.not_before - _now()) for work in self._works.values())])


def _of(partition: int, stops: Mapping[int, Stop]) -> Mapping[int, Stop]:
    return {each: stop for each, stop in stops.items() if each == partition}


def _now() -> float:
    return asyncio.get_running_loop().time()
