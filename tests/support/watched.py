"""Adapters in memory that remember what they were asked for, and fail as a real one might."""

import asyncio
from collections.abc import Sequence
from uuid import UUID

from adapters.memory import MemoryDeadLetters, MemoryEventStore, MemoryLog
from application.ports import Delivery, Verdict
from domain.dead_letter import DeadLetter
from domain.event import UserEvent
from tests.support.events import NOON


class WatchedStore(MemoryEventStore):
    """A store that remembers what it was asked for, and that a bug makes fail on some events."""

    def __init__(self) -> None:
        super().__init__(lambda: NOON)
        self.calls: list[list[UUID]] = []
        self.bugs: set[UUID] = set()
        self.probe_outage: Exception | None = None
        self.gate = asyncio.Event()
        """Calls to add wait here for as long as it is cleared."""
        self.gate.set()

    async def add(self, deliveries: Sequence[Delivery[UserEvent]]) -> list[Verdict]:
        ids = [delivery.content.id for delivery in deliveries]
        self.calls.append(ids)
        await self.gate.wait()
        if not self.bugs.isdisjoint(ids):
            raise ZeroDivisionError("the payload was: secret")
        return await super().add(deliveries)

    async def probe(self) -> None:
        if self.probe_outage is not None:
            raise self.probe_outage


class WatchedLetters(MemoryDeadLetters):
    """Dead letters as they were parked."""

    def __init__(self) -> None:
        super().__init__(MemoryLog(partitions=1), "events-dlq")
        self.parked: list[DeadLetter] = []

    async def park(self, letters: Sequence[DeadLetter]) -> None:
        await super().park(letters)
        self.parked += letters
