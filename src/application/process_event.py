"""Process one batch of deliveries: store what can be stored, park what never can."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from application.batch_sizes import BatchSizes
from application.bisection import PATIENCE_SECONDS, Bisection, Fate
from application.ports import Batch, BeforeCommit, DeadLetters, Delivery, EventStore, Verdict, at_once
from application.storm import Storms
from domain.dead_letter import DeadLetter, Failure, FailureKind, Record
from domain.errors import Declined, Rejected, Unavailable
from domain.event import UserEvent
from domain.stop import Stop

_PORTION_RECORDS = 100
_LETHAL = Failure(
    FailureKind.UNEXPECTED, "the consumer died again and again with this record alone in hand", "LethalRecord"
)
_CONFLICT = Failure(
    FailureKind.CONFLICT, "the eventId is taken by an event with another user, type or payload", "Conflict"
)


@dataclass(frozen=True, slots=True)
class Tally:
    """What became of a batch: every record is in exactly one of these counts."""

    stored: int
    duplicate: int
    conflict: int
    dead: int


@dataclass(frozen=True, slots=True)
class Attempt:
    """Which try at a batch this is, counted from 1, and when the first one failed."""

    number: int = 1
    first_failed_at: datetime | None = None


class Outcome(NamedTuple):
    """What was done with a batch, all of it durable."""

    tally: Tally
    batch: Batch
    """What was carried out, and may be committed."""
    left: Batch
    """What was not, since it stands behind a storm or many refused events, or is too much at once: to be read again."""
    stops: Mapping[int, Stop]
    """The partitions where the storm is, which are not to be read on."""

    def leaving(self, rest: Batch) -> "Outcome":
        """Leave `rest` as well, which stands behind all others."""
        return self._replace(left=Batch([*self.left.records, *rest.records], rest.assignment))


Reading = Delivery | Failure
"""What a record holds: an event, or why there is none."""


class _Judged(NamedTuple):
    """A batch with what each of its records holds, and what is to become of it."""

    batch: Batch
    readings: Sequence[Reading]
    fates: Sequence[Fate]


class ProcessEvent:
    """Turns a batch into rows and dead letters, all durable when it returns; may be repeated on the same batch."""

    def __init__(
        self,
        store: EventStore,
        dead_letters: DeadLetters,
        decode: Callable[[Record], UserEvent | Failure],
        storms: Storms,
        clock: Callable[[], datetime],
        *,
        patience: float = PATIENCE_SECONDS,
    ) -> None:
        """`patience`: for how many seconds an event may be declined alone while others are taken."""
        self._bisection = Bisection(store, patience)
        self._dead_letters = dead_letters
        self._decode = decode
        self._storms = storms
        self._clock = clock
        self._sizes = BatchSizes()

    @property
    def asked(self) -> int:
        """How often the store was asked to add events."""
        return self._bisection.asked

    async def read(self, batch: Batch) -> list[Reading]:
        """Look at what the records hold: needs nothing of the world, and lets others work in between."""
        readings: list[Reading] = []
        for start in range(0, len(batch.records), _PORTION_RECORDS):
            for record in batch.records[start : start + _PORTION_RECORDS]:
                content = self._decode(record)
                readings.append(Delivery(record, content) if isinstance(content, UserEvent) else content)
            await asyncio.sleep(0)
        return readings

    async def __call__(
        self,
        batch: Batch,
        attempt: Attempt = Attempt(),
        readings: Sequence[Reading] | None = None,
        *,
        before_commit: BeforeCommit = at_once,
    ) -> Outcome:
        """Store and park. Raises `Unavailable` when the world cannot take it now: nothing is to be committed then.

        `readings` is what `read` has said of this batch, if it was asked already. Nothing is seen of what is done
        before `before_commit` returns; `Withdrawn` where it never does.
        """
        readings = await self.read(batch) if readings is None else readings
        rest: Batch | None = None
        if ends := self._sizes.ends(batch):
            places, batch, rest = _split(batch, ends)
            readings = [readings[place] for place in places]
        deliveries = [reading for reading in readings if isinstance(reading, Delivery)]
        added = await self._add(batch, deliveries, before_commit) if deliveries else ()
        # Dead letters are seen as well, and may be all there is.
        await before_commit()
        if len(added) < len(deliveries):
            untried = deliveries[len(added)]
            place = next(place for place, reading in enumerate(readings) if reading is untried)
            rest = Batch([*batch.records[place:], *(rest.records if rest else ())], batch.assignment)
            batch, readings = Batch(batch.records[:place], batch.assignment), readings[:place]
        verdicts = iter(added)
        fates = [next(verdicts) if isinstance(reading, Delivery) else reading for reading in readings]
        outcome = await self._settle(_Judged(batch, readings, fates), attempt)
        return outcome if rest is None else outcome.leaving(rest)

    async def give_up(self, batch: Batch, cause: Unavailable, attempt: Attempt) -> Outcome:
        """Park the whole batch as `exhausted`: only for those who set a retry budget."""
        exhausted = Failure(FailureKind.EXHAUSTED, str(cause), type(cause).__name__)
        readings = await self.read(batch)
        fates = [reading if isinstance(reading, Failure) else exhausted for reading in readings]
        return await self._settle(_Judged(batch, readings, fates), attempt)

    async def condemn(self, batch: Batch, attempt: Attempt) -> Outcome:
        """Park the whole batch unread, as records that kill the process."""
        lethal = [_LETHAL] * len(batch.records)
        return await self._settle(_Judged(batch, lethal, lethal), attempt)

    async def _settle(self, judged: _Judged, attempt: Attempt) -> Outcome:
        """Park what is dead, up to where a storm is noticed."""
        are_dead = [isinstance(fate, Failure) for fate in judged.fates]
        ruling = self._storms.judge(judged.batch.records, are_dead)
        done, left = _divide(judged, ruling.stops)
        # Looked up once, as looking up an enumeration's member is slow in Python 3.11.
        conflict = Verdict.CONFLICT
        letters = [
            (record, reading, fate if isinstance(fate, Failure) else _CONFLICT)
            for record, reading, fate in zip(done.batch.records, done.readings, done.fates, strict=True)
            if isinstance(fate, Failure) or fate is conflict
        ]
        await self._park(letters, attempt)
        self._storms.accept(ruling)
        stored, duplicate, conflicting = map(done.fates.count, (Verdict.STORED, Verdict.DUPLICATE, conflict))
        tally = Tally(stored, duplicate, conflicting, dead=len(letters) - conflicting)
        _balance(tally, done.batch)
        return Outcome(tally, done.batch, left, ruling.stops)

    async def _add(self, batch: Batch, deliveries: Sequence[Delivery], before_commit: BeforeCommit) -> Sequence[Fate]:
        """Add the events of `batch`, and have less tried at once where that may have been too much."""
        now = asyncio.get_running_loop().time
        began = now()
        try:
            fates = await self._bisection.add(deliveries, before_commit)
        except Declined:
            self._sizes.shrink(batch, now() - began)
            raise
        self._sizes.grow(batch, now() - began)
        return fates

    async def _park(self, dead: Sequence[tuple[Record, Reading, Failure]], attempt: Attempt) -> None:
        if not dead:
            return
        now = self._clock()
        letters = [
            DeadLetter(
                record=record,
                failure=failure,
                attempts=attempt.number,
                first_failed_at=attempt.first_failed_at or now,
                failed_at=now,
                event_id=reading.event.id if isinstance(reading, Delivery) else None,
            )
            for record, reading, failure in dead
        ]
        try:
            await self._dead_letters.park(letters)
        except Rejected as rejected:
            # There is no place behind the last one: held, so that a person sees it.
            raise Unavailable(f"a dead letter was refused: {rejected}") from rejected


def _divide(judged: _Judged, stops: Mapping[int, Stop]) -> tuple[_Judged, Batch]:
    """Part what stands before the stops from the records behind them."""
    if not stops:
        return judged, Batch((), judged.batch.assignment)
    done, carried_out, rest = _split(judged.batch, {partition: stop.offset for partition, stop in stops.items()})
    return (
        _Judged(carried_out, [judged.readings[place] for place in done], [judged.fates[place] for place in done]),
        rest,
    )


def _split(batch: Batch, ends: Mapping[int, int]) -> tuple[Sequence[int], Batch, Batch]:
    """Part what stands before `ends`, offsets by partition, from the rest; and say at which places it stood."""
    before: list[int] = []
    behind: list[int] = []
    for place, record in enumerate(batch.records):
        end = ends.get(record.partition)
        (before if end is None or record.offset < end else behind).append(place)
    first, rest = (Batch([batch.records[place] for place in places], batch.assignment) for places in (before, behind))
    return before, first, rest


def _balance(tally: Tally, batch: Batch) -> None:
    """The ledger: refuse to go on when a record is unaccounted for, before any offset moves."""
    accounted = tally.stored + tally.duplicate + tally.conflict + tally.dead
    if accounted != len(batch.records):
        raise AssertionError(f"{len(batch.records)} records were delivered but {accounted} accounted for: {tally}")
