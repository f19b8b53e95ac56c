"""Process one batch of deliveries: store what can be stored, park what never can."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import cast

from application.ports import Batch, DeadLetters, Delivery, EventStore, Verdict
from domain.dead_letter import DeadLetter, Failure, FailureKind
from domain.errors import Rejected, Unavailable, WrongDeployment
from domain.event import UserEvent

_CONFLICT = Failure(
    FailureKind.CONFLICT, "the eventId is taken by an event with another user, type or payload", "Conflict"
)


@dataclass(frozen=True, slots=True)
class Tally:
    """What became of a batch: every delivery is in exactly one of these counts."""

    stored: int
    duplicate: int
    conflict: int
    dead: int


@dataclass(frozen=True, slots=True)
class Attempt:
    """Which try at a batch this is, counted from 1, and when the first one failed."""

    number: int = 1
    first_failed_at: datetime | None = None


class ProcessEvent:
    """Turns a batch into rows and dead letters, all durable when it returns; may be repeated on the same batch."""

    def __init__(self, store: EventStore, dead_letters: DeadLetters, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._dead_letters = dead_letters
        self._clock = clock

    async def __call__(self, batch: Batch, attempt: Attempt = Attempt()) -> Tally:
        """Store and park. Raises `Unavailable` when the world cannot take it now: nothing is to be committed then."""
        events = [cast("Delivery[UserEvent]", each) for each in batch.deliveries if isinstance(each.content, UserEvent)]
        added = await self._add(events) if events else ()
        if len(added) != len(events):
            raise AssertionError(f"the store judged {len(added)} of {len(events)} events")
        fates = iter(added)
        letters: list[tuple[Delivery[UserEvent | Failure], Failure]] = []
        counts = dict.fromkeys(Verdict, 0)
        for delivery in batch.deliveries:
            fate = delivery.content if isinstance(delivery.content, Failure) else next(fates)
            if isinstance(fate, Failure):
                letters.append((delivery, fate))
                continue
            counts[fate] += 1
            if fate is Verdict.CONFLICT:
                letters.append((delivery, _CONFLICT))
        await self._park(letters, attempt)
        conflicts = counts[Verdict.CONFLICT]
        tally = Tally(counts[Verdict.STORED], counts[Verdict.DUPLICATE], conflicts, len(letters) - conflicts)
        _balance(tally, batch)
        return tally

    async def give_up(self, batch: Batch, cause: Unavailable, attempt: Attempt) -> Tally:
        """Park the whole batch as `exhausted`: only for those who set a retry budget."""
        exhausted = Failure(FailureKind.EXHAUSTED, str(cause), type(cause).__name__)
        await self._park(
            [(each, each.content if isinstance(each.content, Failure) else exhausted) for each in batch.deliveries],
            attempt,
        )
        return Tally(stored=0, duplicate=0, conflict=0, dead=len(batch.deliveries))

    async def _add(self, deliveries: Sequence[Delivery[UserEvent]]) -> Sequence[Verdict | Failure]:
        """Add `deliveries`; on a refusal halve them, in offset order, until the culprits stand alone."""
        try:
            return await self._store.add(deliveries)
        except (Unavailable, WrongDeployment):
            raise
        except Rejected as rejected:
            failure = Failure(FailureKind.REJECTED, str(rejected), _root_cause(rejected))
        except Exception as error:  # noqa: BLE001 - whatever it is, it must cost one event at most, not the partition
            failure = Failure(FailureKind.UNEXPECTED, "the store failed on this event alone", type(error).__name__)
        if len(deliveries) > 1:
            middle = len(deliveries) // 2
            return [*await self._add(deliveries[:middle]), *await self._add(deliveries[middle:])]
        if failure.kind is FailureKind.UNEXPECTED:
            await self._blame()
        return [failure]

    async def _blame(self) -> None:
        """Return if an event that failed alone is to blame: another could be written at this moment."""
        try:
            await self._store.probe()
        except (Unavailable, WrongDeployment):
            raise
        except Exception as error:
            raise Unavailable(f"the store fails on everything: {type(error).__name__}") from error

    async def _park(self, dead: Sequence[tuple[Delivery[UserEvent | Failure], Failure]], attempt: Attempt) -> None:
        if not dead:
            return
        now = self._clock()
        letters = [
            DeadLetter(
                record=delivery.record,
                failure=failure,
                attempts=attempt.number,
                first_failed_at=attempt.first_failed_at or now,
                failed_at=now,
                event_id=delivery.content.id if isinstance(delivery.content, UserEvent) else None,
            )
            for delivery, failure in dead
        ]
        try:
            await self._dead_letters.park(letters)
        except Rejected as rejected:
            # There is no place behind the last one: held, so that a person sees it.
            raise Unavailable(f"a dead letter was refused: {rejected}") from rejected


def _root_cause(error: BaseException) -> str:
    while error.__cause__ is not None:
        error = error.__cause__
    return type(error).__name__


def _balance(tally: Tally, batch: Batch) -> None:
    """The ledger: refuse to go on when a delivery is unaccounted for, before any offset moves."""
    accounted = tally.stored + tally.duplicate + tally.conflict + tally.dead
    if accounted != len(batch.deliveries):
        raise AssertionError(f"{len(batch.deliveries)} records were delivered but {accounted} accounted for: {tally}")
