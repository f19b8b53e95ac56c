"""A log that keeps requests open for as long as a test wants."""

import asyncio
from collections.abc import Sequence

from application.ports import Receipt
from domain.event import UserEvent


class SlowLog:
    """Acknowledges nothing until a test allows it."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.answers = asyncio.Event()

    async def publish(self, events: Sequence[UserEvent], _trace: bytes | None = None) -> Sequence[Receipt]:
        """Acknowledge `events` once `answers` is set."""
        self.asked.set()
        await self.answers.wait()
        return [Receipt(0, 0) for _ in events]
