"""What is in hand: batches on their way, and those that the world cannot take now."""

import asyncio
import random
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from application.ports import Batch
from application.process_event import Attempt, Reading
from domain.errors import Unavailable
from domain.stop import Stop


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
    """Works that are tried again later, each partition by itself: what troubles one may not trouble the others."""

    def __init__(self, backoff: Backoff) -> None:
        self._backoff = backoff
        self._works: dict[int, Work] = {}

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

    def beside(self, work: Work) -> set[int]:
        """Name the partitions of `work` of which something else is held."""
        return {partition for partition in work.batch.partitions if self._works.get(partition, work) is not work}

    def hold(self, work: Work, cause: Unavailable, now: datetime) -> None:
        """Keep `work` to be tried again after a pause."""
        attempt = Attempt(work.attempt.number + 1, work.attempt.first_failed_at or now)
        for partition in work.batch.partitions:
            self._works[partition] = replace(
                work,
                batch=work.batch.part({partition}),
                readings=None,
                attempt=attempt,
                cause=cause,
                stops={each: stop for each, stop in work.stops.items() if each == partition},
                not_before=_now() + self._backoff.after(work.attempt.number),
            )

    def let_go(self, work: Work) -> list[int]:
        """Keep `work` no longer; answer the partitions of which nothing is held now, but was."""
        return [partition for partition in work.batch.partitions if self._works.pop(partition, None)]

    def due(self) -> Work | None:
        """Choose what to try again now."""
        first = min(self._works.values(), key=lambda work: work.not_before, default=None)
        return first if first is not None and first.not_before <= _now() else None

    def until_due(self, most: float) -> float:
        """Tell for how many seconds there is nothing to try again, `most` at most."""
        return min([most, *(max(0.0, work.not_before - _now()) for work in self._works.values())])


def _now() -> float:
    return asyncio.get_running_loop().time()
