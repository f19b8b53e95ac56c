"""Notice too many dead letters in one partition, lest a whole topic is drained into the dead-letter queue."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple


@dataclass(frozen=True, slots=True)
class DlqLimits:
    """From when on dead letters are too many."""

    max_consecutive: int = 100
    max_ratio: float = 0.5
    """Which part of the records of the window."""
    ratio_min_records: int = 1_000
    """How many records the window must hold before the ratio counts."""
    ratio_window: float = 60.0
    """In seconds."""


class Trip(NamedTuple):
    """A limit is reached, by the last of that many records."""

    records: int
    reason: str


class _Second(NamedTuple):
    """What happened within one second of the clock."""

    number: int
    records: int
    dead: int


@dataclass(frozen=True, slots=True)
class CircuitBreaker:
    """The recent past of one partition; a value, so that a try that fails leaves no trace."""

    limits: DlqLimits
    consecutive: int = 0
    """How many dead letters in a row there were last."""
    past: tuple[_Second, ...] = ()
    """The seconds of the window in which there was anything, the last one last."""

    def after(self, are_dead: Sequence[bool], now: float) -> "CircuitBreaker | Trip":
        """Go on by some records in the log's order, at `now` in seconds."""
        limits, consecutive = self.limits, self.consecutive
        past = [second for second in self.past if second.number > now - limits.ratio_window]
        records, dead = sum(second.records for second in past), sum(second.dead for second in past)
        for count, is_dead in enumerate(are_dead, 1):
            if not is_dead:
                consecutive = 0
                continue
            consecutive, dead, so_far = consecutive + 1, dead + 1, records + count
            if consecutive >= limits.max_consecutive:
                return Trip(count, f"{consecutive} dead letters in a row")
            if so_far >= limits.ratio_min_records and dead >= limits.max_ratio * so_far:
                return Trip(count, f"{dead} dead letters among {so_far} records within {limits.ratio_window:g} s")
        last = past.pop() if past and past[-1].number == int(now) else _Second(int(now), 0, 0)
        this = _Second(int(now), last.records + len(are_dead), last.dead + sum(are_dead))
        return CircuitBreaker(limits, consecutive, (*past, this))
