"""Adapters in memory that remember what they were asked for, and fail as a real one might."""

import asyncio
from collections.abc import Sequence
from uuid import UUID

from adapters.memory import MemoryDeadLetterQueue, MemoryEventStore, MemoryLog
from application.ports import Delivery, Outcome
from domain.dead_letter import DeadLetter
from domain.errors import Rejected
from tests.support.events import NOON

UNSTORABLE = b'{"storable":false}'
"""A payload that every validator lets pass, and that a watched store refuses."""


class WatchedStore(MemoryEventStore):
    """A store that remembers what it was asked for, refuses some events, and that a bug makes fail on others."""

    def __init__(self) -> None:
        super().__init__(lambda: NOON)
        self.calls: list[list[UUID]] = []
        self.bugs: set[UUID] = set()
        self.bug: Exception = ZeroDivisionError("the payload was: secret")
        self.probe_outage: Exception | None = None
        self.gate = asyncio.Event()
        """Calls to add wait here for as long as it is cleared."""
        self.gate.set()

    async def add(self, deliveries: Sequence[Delivery]) -> list[Outcome]:
        ids = [delivery.event.id for delivery in deliveries]
        self.calls.append(ids)
        await self.gate.wait()
        if not self.bugs.isdisjoint(ids):
            raise self.bug
        if any(delivery.event.payload == UNSTORABLE for delivery in deliveries):
            raise Rejected("the store refuses the event") from ValueError()
        return await super().add(deliveries)

    async def probe(self) -> None:
        if self.probe_outage is not None:
            raise self.probe_outage
        await super().probe()


class WatchedDeadLetters(MemoryDeadLetterQueue):
    """Dead letters as they were sent."""

    def __init__(self) -> None:
        super().__init__(MemoryLog(partitions=1), "events-dlq")
        self.sent: list[DeadLetter] = []

    async def send(self, letters: Sequence[DeadLetter]) -> None:
        await super().send(letters)
        self.sent += letters
