"""Decorators that log what passes through a port: ids and outcomes, never payloads."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import structlog

from application.listing import Cursor, EventFilter, Page, StoredEvent
from application.ports import DeadLetters, Delivery, EventStore, Verdict
from domain.dead_letter import DeadLetter

logger = structlog.stdlib.get_logger("events")

_LINES = {
    Verdict.STORED: "event stored",
    Verdict.DUPLICATE: "event is a duplicate",
    Verdict.CONFLICT: "event conflicts with a stored one",
}


class LoggedEventStore:
    """An `EventStore` that logs one line for each event it was given, once its fate is durable."""

    def __init__(self, store: EventStore) -> None:
        self._store = store

    async def add(self, deliveries: Sequence[Delivery]) -> Sequence[Verdict]:
        verdicts = await self._store.add(deliveries)
        for (record, event), verdict in zip(deliveries, verdicts, strict=True):
            logger.info(
                _LINES[verdict],
                eventId=str(event.id),
                userId=event.user_id,
                eventType=event.event_type.value,
                topic=record.topic,
                partition=record.partition,
                offset=record.offset,
            )
        return verdicts

    async def check(self, deliveries: Sequence[Delivery]) -> Sequence[Verdict | None]:
        return await self._store.check(deliveries)

    async def page(self, wanted: EventFilter, after: Cursor | None, limit: int) -> Page:
        return await self._store.page(wanted, after, limit)

    async def get(self, event_id: UUID) -> StoredEvent | None:
        return await self._store.get(event_id)

    async def settled_until(self) -> datetime:
        return await self._store.settled_until()

    async def ping(self) -> None:
        await self._store.ping()

    async def probe(self) -> None:
        await self._store.probe()


class LoggedDeadLetters:
    """`DeadLetters` that log one line for each letter, once it is durable."""

    def __init__(self, dead_letters: DeadLetters) -> None:
        self._dead_letters = dead_letters

    async def park(self, letters: Sequence[DeadLetter]) -> None:
        await self._dead_letters.park(letters)
        for letter in letters:
            logger.warning(
                "record parked as a dead letter",
                kind=letter.failure.kind.value,
                reason=letter.failure.reason,
                fingerprint=letter.failure.fingerprint,
                eventId=None if letter.event_id is None else str(letter.event_id),
                topic=letter.record.topic,
                partition=letter.record.partition,
                offset=letter.record.offset,
            )

    async def ping(self) -> None:
        await self._dead_letters.ping()
