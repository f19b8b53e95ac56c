"""Store events; those that the store refuses for what they are, and no others, are found by bisection."""

import asyncio
from collections.abc import Sequence

from application.ports import Delivery, EventStore, Outcome
from domain.dead_letter import Failure, FailureKind, Record
from domain.errors import Declined, Rejected, Unavailable, WrongDeployment

PATIENCE_SECONDS = 60.0
"""For how long an event that is declined alone is tried again: longer than a deadlock or an abandoned session lasts."""
_MOST_REFUSED = 100
"""Behind how many refused events the rest of a batch is left: each takes several questions, which may be far away."""

Decision = Outcome | Failure
"""What is decided on an event: what the store says of it, or why it is given up."""


class Bisection:
    """Asks the store again and again, see `docs/adr/0002-three-kinds-of-error.md`."""

    def __init__(self, store: EventStore, patience: float) -> None:
        """`patience`: for how many seconds an event may be declined alone while others are taken."""
        self._store = store
        self._patience = patience
        self._declined: dict[int, tuple[int, float]] = {}
        """By partition, the offset of an event that is declined alone, and since when, by the loop's clock."""
        self.asked = 0
        """How often the store was asked to add events."""

    async def add(self, deliveries: Sequence[Delivery]) -> Sequence[Decision]:
        """Add events of one partition as `EventStore.add` does; none behind the hundredth refused event is answered.

        Raises `Declined` where fewer events had better be tried, `Unavailable` where no other event is taken either,
        and the store's `WrongDeployment`.
        """
        try:
            decisions = await self._add(deliveries, _MOST_REFUSED)
        except Declined:
            raise
        except Unavailable:
            # That says nothing of any event.
            self._declined.pop(deliveries[0].record.partition, None)
            raise
        self._declined.pop(deliveries[0].record.partition, None)
        return decisions

    async def _add(self, deliveries: Sequence[Delivery], most_refused: int) -> Sequence[Decision]:
        """Add `deliveries`; on a refusal halve them, in offset order, until the culprits stand alone.

        Behind the last of `most_refused` culprits none is tried, and the answer ends.
        """
        try:
            outcomes = await self._ask(deliveries)
        except Declined as declined:
            if len(deliveries) > 1:
                # Tried again whole, as a deadlock is, or in smaller batches.
                raise
            await self._wait_out(deliveries[0].record, declined)
            return [_failure(declined)]
        except Unavailable:
            raise
        except WrongDeployment:
            # Unless it is the word of a trigger on one event.
            await self._probe()
        except Exception:  # noqa: BLE001, S110 - whatever it is, it must cost one event at most, not the partition
            pass
        else:
            return _complete(outcomes, deliveries)
        if len(deliveries) > 1:
            middle = len(deliveries) // 2
            first = await self._add(deliveries[:middle], most_refused)
            most_refused -= sum(isinstance(decision, Failure) for decision in first)
            if most_refused <= 0:
                return first
            return [*first, *await self._add(deliveries[middle:], most_refused)]
        return await self._blame(deliveries)

    async def _blame(self, alone: Sequence[Delivery]) -> Sequence[Decision]:
        """Try an event that failed alone once more, when another could be written: then it is to blame."""
        await self._probe()
        try:
            outcomes = await self._ask(alone)
        except Unavailable:
            raise
        except Exception as error:  # noqa: BLE001 - as above
            return [_failure(error)]
        return _complete(outcomes, alone)

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

    async def _ask(self, deliveries: Sequence[Delivery]) -> Sequence[Outcome]:
        self.asked += 1
        return await self._store.add(deliveries)

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


def _complete(outcomes: Sequence[Outcome], deliveries: Sequence[Delivery]) -> Sequence[Outcome]:
    """Refuse to go on when the store has not judged each event."""
    if len(outcomes) != len(deliveries):
        raise AssertionError(f"the store judged {len(outcomes)} of {len(deliveries)} events")
    return outcomes


def _failure(error: Exception) -> Failure:
    """Say why an event is given up; the text of an error that nobody foresaw may hold anything."""
    if isinstance(error, Rejected | Declined | WrongDeployment):
        return Failure(FailureKind.REJECTED, str(error), _root_cause(error))
    return Failure(FailureKind.UNEXPECTED, "the store failed on this event alone", type(error).__name__)


def _root_cause(error: BaseException) -> str:
    while error.__cause__ is not None:
        error = error.__cause__
    return type(error).__name__
