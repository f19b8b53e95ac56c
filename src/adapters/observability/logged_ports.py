"""Decorators that log what passes through a port: ids and outcomes, never payloads."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import msgspec
import structlog

from adapters.observability.frequent_lines import FrequentLines
from application.listing import Cursor, EventFilter, Page, StoredEvent
from application.ports import DeadLetterQueue, Delivery, EventStore, Outcome
from domain.dead_letter import DeadLetter

logger = structlog.stdlib.get_logger("events")
lines = FrequentLines("events")

_OTHER_EVENTS = {
    Outcome.DUPLICATE: "event is a duplicate",
    Outcome.CONFLICT: "event conflicts with a stored one",
}


class _EventLine(msgspec.Struct, rename="camel", gc=False):
    event_id: UUID
    user_id: str
    event_type: str
    topic: str
    partition: int
    offset: int
    event: str
    process: str | msgspec.UnsetType
    logger: str
    level: str
    timestamp: datetime


class LoggedEventStore:
    """An `EventStore` that logs one line for each event it was given, once its fate is durable."""

    def __init__(self, store: EventStore) -> None:
        self._store = store

    async def add(self, deliveries: Sequence[Delivery]) -> Sequence[Outcome]:
        outcomes = await self._store.add(deliveries)
        if lines.are_wanted:
            common = lines.common()
            lines.info_many(
                _EventLine(
                    event.id,
                    event.user_id,
                    event.event_type,
                    record.topic,
                    record.partition,
                    record.offset,
                    "event stored" if outcome is Outcome.STORED else _OTHER_EVENTS[outcome],
                    *common,
                )
                for (record, event), outcome in zip(deliveries, outcomes, strict=True)
            )
        return outcomes

    async def check(self, deliveries: Sequence[Delivery]) -> Sequence[Outcome | None]:
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


class LoggedDeadLetterQueue:
    """`DeadLetterQueue` that logs one line for each dead letter, once it is durable."""

    def __init__(self, dead_letters: DeadLetterQueue) -> None:
        self._dead_letters = dead_letters

    async def send(self, letters: Sequence[DeadLetter]) -> None:
        await self._dead_letters.send(letters)
        for letter in letters:
            logger.warning(
                "record dead-lettered",
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
