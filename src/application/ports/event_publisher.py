"""Into the log."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from domain.errors import Rejected, Unavailable
from domain.event import UserEvent


class Receipt(NamedTuple):
    """Where an acknowledged event stands in the log; the offset is None where the log could not tell it."""

    partition: int
    offset: int | None


class EventPublisher(Protocol):
    """Appends events to the log."""

    async def publish(
        self, events: Sequence[UserEvent], traceparent: bytes | None = None
    ) -> Sequence[Receipt | Rejected | Unavailable]:
        """Append `events`, those of one user in the order given; answer one outcome per event, in order.

        `Receipt` once the log has the event durably, `Rejected` when it is too large for the log, `Unavailable` when
        the outcome is unknown: it may yet appear. Once an event ends `Unavailable`, the same user's later unsent
        events of the call end so too. `traceparent` (W3C Trace Context) goes with each event, where there is one.
        """
        ...

    async def ping(self) -> None:
        """Return when the log answers."""
        ...
