"""Back into the log."""

from collections.abc import Sequence
from typing import Protocol

from application.dead_letters.jobs import ReplayItem
from application.ports.event_publisher import Receipt
from domain.errors import Rejected, Unavailable


class ReplayPublisher(Protocol):
    """Publishes dead letters to the events' topic again."""

    async def publish(self, items: Sequence[ReplayItem]) -> Sequence[Receipt | Rejected | Unavailable]:
        """Append each item with its key, value and original headers, and headers that name its origin and its replay.

        The partition is that of its key. One outcome each, in order, as `EventPublisher.publish` has them.
        """
        ...
