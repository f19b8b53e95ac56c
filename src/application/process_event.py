"""Process one batch of deliveries: store what can be stored, park what never can."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from application.batch_sizes import BatchSizes
from application.ports import Batch, BeforeCommit, DeadLetters, Delivery, EventStore, Verdict, Withdrawn, at_once
from application.storm import Storms
from domain.dead_letter import DeadLetter, Failure, FailureKind, Record
from domain.errors import Declined, Rejected, Unavailable, WrongDeployment
from domain.event import UserEvent
from domain.stop import Stop

_PORTION_RECORDS = 100
_PATIENCE_SECONDS = 60.0
"""For how long an event that is declined alone is tried again: longer than a deadlock or an abandoned session lasts."""
_MOST_REFUSED = 100
"""Behind how many refused events the rest of a batch is left: each takes several questions, which may be far away."""
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
Fate = Verdict | Failure


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
        patience: float = _PATIENCE_SECONDS,
    ) -> None:
        """`patience`: for how many seconds an event may be declined alone while others are taken."""
        self._store = store
        self._dead_letters = dead_letters
        self._decode = decode
        self._storms = storms
        self._clock = clock
        self._patience = patience
        self._sizes = BatchSizes()
        self._declined: dict[int, tuple[int, float]] = {}
        """By partition, the offset of an event that is declined alone, and since when, by the loop's clock."""
        self.asked = 0
        """How often the store was asked to add events."""

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
        added = await self._add_timed(batch, deliveries, before_commit) if deliveries else ()
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

    async def _add_timed(
        self, batch: Batch, deliveries: Sequence[Delivery], before_commit: BeforeCommit
    ) -> Sequence[Fate]:
        """Add the events of `batch`, and have less tried at once where that may have been too much."""
        now = asyncio.get_running_loop().time
        began = now()
        try:
            fates = await self._add(deliveries, before_commit, _MOST_REFUSED)
        except Declined:
            self._sizes.shrink(batch, now() - began)
            raise
        except Unavailable:
            # That says nothing of any event.
            self._declined.clear()
            raise
        self._sizes.grow(batch, now() - began)
        if self._declined:
            for partition in batch.partitions:
                self._declined.pop(partition, None)
        return fates

    async def _add(
        self, deliveries: Sequence[Delivery], before_commit: BeforeCommit, most_refused: int
    ) -> Sequence[Fate]:
        """Add `deliveries`; on a refusal halve them, in offset order, until the culprits stand alone.

        Behind the last of `most_refused` culprits none is tried, and the answer ends.
        """
        try:
            verdicts = await self._ask(deliveries, before_commit)
        except Declined as declined:
            if len(deliveries) > 1:
                # Tried again whole, as a deadlock is, or in smaller batches.
                raise
            await self._wait_out(deliveries[0].record, declined)
            return [_failure(declined)]
        except (Unavailable, Withdrawn):
            raise
        except WrongDeployment:
            # Unless it is the word of a trigger on one event.
            await self._probe()
        except Exception:  # noqa: BLE001, S110 - whatever it is, it must cost one event at most, not the partition
            pass
        else:
            return _complete(verdicts, deliveries)
        if len(deliveries) > 1:
            middle = len(deliveries) // 2
            first = await self._add(deliveries[:middle], before_commit, most_refused)
            most_refused -= sum(isinstance(fate, Failure) for fate in first)
            if most_refused <= 0:
                return first
            return [*first, *await self._add(deliveries[middle:], before_commit, most_refused)]
        return await self._blame(deliveries, before_commit)

    async def _blame(self, alone: Sequence[Delivery], before_commit: BeforeCommit) -> Sequence[Fate]:
        """Try an event that failed alone once more, when another could be written: then it is to blame."""
        await self._probe()
        try:
            verdicts = await self._ask(alone, before_commit)
        except (Unavailable, Withdrawn):
            raise
        except Exception as error:  # noqa: BLE001 - as above
            return [_failure(error)]
        return _complete(verdicts, alone)

    async def _wait_out(self, record: Record, declined: Declined) -> None:
        """Return once an event was declined alone for long enough, while another could be written each time."""
        # Noted again only where another could be written.
        offset, since = self._declined.pop(record.partition, (None, 0.0))
        await self._probe()
        now = asyncio.get_running_loop().time()
        if offset != record.offset:
            since = now
        if now - since < self._patience:
            self._declined[record.partition] = record.offset, since
            raise declined

    async def _ask(self, deliveries: Sequence[Delivery], before_commit: BeforeCommit) -> Sequence[Verdict]:
        self.asked += 1
        return await self._store.add(deliveries, before_commit)

    async def _probe(self) -> None:
        """Return if another event could be written at this moment."""
        self.asked += 1
        try:
            await self._store.probe()
        except (Unavailable, WrongDeployment):
            raise
        except Rejected as rejected:
            raise Unavailable(f"the store refuses every event: {rejected}") from rejected
        except Exception as error:
            raise Unavailable(f"the store fails on everything: {type(error).__name__}") from error

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


def _complete(verdicts: Sequence[Verdict], deliveries: Sequence[Delivery]) -> Sequence[Verdict]:
    """Refuse to go on when the store has not judged each event."""
    if len(verdicts) != len(deliveries):
        raise AssertionError(f"the store judged {len(verdicts)} of {len(deliveries)} events")
    return verdicts


def _failure(error: Exception) -> Failure:
    """Say why an event is given up; the text of an error that nobody foresaw may hold anything."""
    if isinstance(error, Rejected | Declined | WrongDeployment):
        return Failure(FailureKind.REJECTED, str(error), _root_cause(error))
    return Failure(FailureKind.UNEXPECTED, "the store failed on this event alone", type(error).__name__)


def _root_cause(error: BaseException) -> str:
    while error.__cause__ is not None:
        error = error.__cause__
    return type(error).__name__


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
