"""Process one batch of a partition: store what can be stored, dead-letter what never can."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import NamedTuple

from application.consume.bisection import PATIENCE_SECONDS, Bisection, Decision
from application.consume.dlq_limits import CircuitBreaker, Trip
from application.ports import DeadLetterQueue, Delivery, EventStore, Halt, HaltKind, Outcome
from domain.dead_letter import DeadLetter, Failure, FailureKind, Record
from domain.errors import Rejected, Unavailable

_POISON_PILL = Failure(
    FailureKind.UNEXPECTED, "the consumer died again and again with this record alone in hand", "LethalRecord"
)
_CONFLICT = Failure(
    FailureKind.CONFLICT, "the eventId is taken by an event with another user, type or payload", "Conflict"
)


Reading = Delivery | Failure
"""The content of a record: an event, or why there is none."""


class Tally(NamedTuple):
    """What became of a batch: every record is in exactly one of these counts."""

    stored: int
    duplicate: int
    conflict: int
    dead: int


class Attempt(NamedTuple):
    """Which try at a batch this is, counted from 1, and when and why earlier ones failed."""

    number: int = 1
    first_failed_at: datetime | None = None
    cause: str | None = None

    def failed(self, cause: str, now: datetime) -> "Attempt":
        """Return the next try."""
        return Attempt(self.number + 1, self.first_failed_at or now, cause)

    def is_spent(self, now: datetime, budget: float | None) -> bool:
        """Tell whether failures have gone on for `budget` seconds."""
        if budget is None or self.first_failed_at is None:
            return False
        return (now - self.first_failed_at).total_seconds() >= budget


class Processed(NamedTuple):
    """How far a batch was processed, all of it durable."""

    records: int
    """How many of the batch, from its first on, may be committed. The rest was not tried, or has to be tried again."""
    tally: Tally
    breaker: CircuitBreaker
    """The partition's circuit breaker from here on."""
    halt: Halt | None
    """Why the partition must not be read on behind these records."""


class ProcessEvent:
    """Turns a batch into rows and dead letters, all durable when it returns; may be repeated on the same batch.

    A batch holds one or more records of one partition, in offset order. Every method raises `Unavailable` when a
    dependency cannot take it now: nothing is to be committed then.
    """

    def __init__(
        self,
        store: EventStore,
        dead_letters: DeadLetterQueue,
        clock: Callable[[], datetime],
        *,
        patience: float = PATIENCE_SECONDS,
    ) -> None:
        """`patience`: for how many seconds an event may be declined alone while others are taken."""
        self._bisection = Bisection(store, patience)
        self._dead_letters = dead_letters
        self._clock = clock

    @property
    def asked(self) -> int:
        """How often the store was asked to add events."""
        return self._bisection.asked

    async def __call__(
        self, batch: Sequence[Record], readings: Sequence[Reading], breaker: CircuitBreaker, attempt: Attempt
    ) -> Processed:
        """Store and dead-letter `batch`, whose contents are `readings`.

        Only its beginning is tried where it holds many events that the store refuses.
        """
        deliveries = [reading for reading in readings if isinstance(reading, Delivery)]
        added = await self._bisection.add(deliveries) if deliveries else ()
        if len(added) < len(deliveries):
            untried = deliveries[len(added)]
            readings = readings[: next(place for place, reading in enumerate(readings) if reading is untried)]
        outcomes = iter(added)
        decisions = [next(outcomes) if isinstance(reading, Delivery) else reading for reading in readings]
        return await self._settle(batch, readings, decisions, breaker, attempt)

    async def give_up(
        self, batch: Sequence[Record], readings: Sequence[Reading], breaker: CircuitBreaker, attempt: Attempt
    ) -> Processed:
        """Dead-letter the whole batch as `exhausted`: only for those who set a retry budget."""
        exhausted = Failure(FailureKind.EXHAUSTED, attempt.cause or "", "Unavailable")
        decisions = [reading if isinstance(reading, Failure) else exhausted for reading in readings]
        return await self._settle(batch, readings, decisions, breaker, attempt)

    async def condemn(self, batch: Sequence[Record], breaker: CircuitBreaker, attempt: Attempt) -> Processed:
        """Dead-letter the whole batch unread, as records that kill the process."""
        lethal = [_POISON_PILL] * len(batch)
        return await self._settle(batch, lethal, lethal, breaker, attempt)

    async def _settle(
        self,
        batch: Sequence[Record],
        readings: Sequence[Reading],
        decisions: Sequence[Decision],
        breaker: CircuitBreaker,
        attempt: Attempt,
    ) -> Processed:
        """Send what is dead to the dead-letter queue, up to where the circuit breaker trips."""
        halt = None
        after = breaker.after([isinstance(decision, Failure) for decision in decisions], self._clock().timestamp())
        if isinstance(after, Trip):
            decisions = decisions[: after.records]
            halt = Halt(HaltKind.DLQ_LIMIT, batch[after.records - 1].offset + 1, after.reason)
            after = CircuitBreaker(breaker.limits)
        dead = [
            (record, reading, decision if isinstance(decision, Failure) else _CONFLICT)
            for record, reading, decision in zip(batch, readings, decisions, strict=False)
            if isinstance(decision, Failure) or decision is Outcome.CONFLICT
        ]
        if dead:
            await self._send(dead, attempt)
        stored, duplicate, conflict = map(decisions.count, (Outcome.STORED, Outcome.DUPLICATE, Outcome.CONFLICT))
        tally = Tally(stored, duplicate, conflict, dead=len(dead) - conflict)
        if sum(tally) != len(decisions):
            # The ledger: no offset moves past a record that is unaccounted for.
            raise AssertionError(f"{len(decisions)} records were processed but these are accounted for: {tally}")
        return Processed(len(decisions), tally, after, halt)

    async def _send(self, dead: Sequence[tuple[Record, Reading, Failure]], attempt: Attempt) -> None:
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
            await self._dead_letters.send(letters)
        except Rejected as rejected:
            # There is no place behind the last one: retried, so that a person sees it.
            raise Unavailable(f"a dead letter was refused: {rejected}") from rejected
