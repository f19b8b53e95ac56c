"""Notice a storm of dead letters, lest a whole topic is drained into them: one breaker a partition."""

from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from domain.dead_letter import Record
from domain.stop import Stop, StopKind


@dataclass(frozen=True, slots=True)
class StormLimits:
    """From when on dead letters are a storm."""

    in_a_row: int = 100
    share: float = 0.5
    """Which part of the records of the window."""
    of_at_least: int = 1_000
    """How many records the window must hold before the share counts."""
    window: float = 60.0
    """In seconds."""


class Trip(NamedTuple):
    """A breaker has tripped: on the last of that many records."""

    records: int
    reason: str


class _Second(NamedTuple):
    """What happened within one second of the clock."""

    number: int
    records: int
    dead: int


@dataclass(frozen=True, slots=True)
class Breaker:
    """The recent past of one partition; a value, so that a try that fails leaves no trace."""

    limits: StormLimits
    row: int = 0
    """How many dead letters in a row there were last."""
    past: tuple[_Second, ...] = ()
    """The seconds of the window in which there was anything, the last one last."""

    def after(self, are_dead: Sequence[bool], now: float) -> "Breaker | Trip":
        """Go on by some records in the log's order, at `now` in seconds."""
        past = [second for second in self.past if second.number > now - self.limits.window]
        if True in are_dead and (trip := self._trip(past, are_dead)) is not None:
            return trip
        records, dead = len(are_dead), sum(are_dead)
        if past and past[-1].number == int(now):
            last = past.pop()
            records, dead = records + last.records, dead + last.dead
        # Only those behind the last good one are in a row with what comes next.
        row = next((count for count, is_dead in enumerate(reversed(are_dead)) if not is_dead), self.row + len(are_dead))
        return Breaker(self.limits, row, (*past, _Second(int(now), records, dead)))

    def _trip(self, past: Sequence[_Second], are_dead: Sequence[bool]) -> Trip | None:
        limits, row = self.limits, self.row
        records, dead = sum(second.records for second in past), sum(second.dead for second in past)
        for count, is_dead in enumerate(are_dead, 1):
            records += 1
            if not is_dead:
                row = 0
                continue
            row, dead = row + 1, dead + 1
            if row >= limits.in_a_row:
                return Trip(count, f"{row} dead letters in a row")
            if records >= limits.of_at_least and dead >= limits.share * records:
                return Trip(count, f"{dead} dead letters among {records} records within {limits.window:g} s")
        return None


class Ruling(NamedTuple):
    """How far a batch is to be carried out in each partition; nothing is remembered before `Storms.accept`."""

    stops: dict[int, Stop]
    """Where a partition is stopped: at the first record that is left."""
    breakers: dict[int, Breaker]


class Storms:
    """The breakers of the partitions that this consumer reads. `clock` tells seconds, from any beginning."""

    def __init__(self, limits: StormLimits, clock: Callable[[], float]) -> None:
        self._limits = limits
        self._clock = clock
        self._breakers: dict[int, Breaker] = {}

    def judge(self, records: Sequence[Record], are_dead: Sequence[bool]) -> Ruling:
        """Decide for records of one or more partitions, of which some are to be dead letters."""
        ruling = Ruling({}, {})
        now = self._clock()
        by_partition: dict[int, list[bool]] = defaultdict(list)
        for record, is_dead in zip(records, are_dead, strict=True):
            by_partition[record.partition].append(is_dead)
        for partition, theirs in by_partition.items():
            after = self._breakers.get(partition, Breaker(self._limits)).after(theirs, now)
            if isinstance(after, Breaker):
                ruling.breakers[partition] = after
            else:
                there = [record for record in records if record.partition == partition]
                ruling.stops[partition] = Stop(StopKind.STORM, there[after.records - 1].offset + 1, after.reason)
        return ruling

    def accept(self, ruling: Ruling) -> None:
        """Remember what was carried out; a breaker that tripped begins anew."""
        self._breakers |= ruling.breakers
        self.forget(ruling.stops)

    def forget(self, partitions: Collection[int]) -> None:
        """Begin anew with `partitions`."""
        for partition in partitions:
            self._breakers.pop(partition, None)
