"""The adapters in memory, held to every contract."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import pytest

from adapters import wire
from adapters.memory import (
    MemoryDeadLetters,
    MemoryEventStore,
    MemoryLog,
    MemoryOversizeLetters,
    MemoryPublisher,
    MemoryRecord,
    MemorySource,
)
from application.ports import EventSource, StoredEvent
from tests.contracts.dead_letters_contract import DeadLettersContract
from tests.contracts.group_contract import GroupContract
from tests.contracts.harness import PARTITIONS, LogUnderTest
from tests.contracts.listing_contract import ListingContract
from tests.contracts.oversize_letters_contract import OversizeLettersContract, OversizeUnderTest
from tests.contracts.publisher_contract import PublisherContract
from tests.contracts.source_contract import SourceContract
from tests.contracts.store_contract import AddContract, StoreUnderTest


class MemoryLogUnderTest:
    """A log in memory."""

    def __init__(self) -> None:
        self._log = MemoryLog(PARTITIONS)

    async def publisher(self) -> MemoryPublisher:
        return MemoryPublisher(self._log, "events")

    async def join(self) -> MemorySource:
        source = MemorySource(self._log, "events", "group")
        await source.open()
        return source

    async def leave(self, source: EventSource) -> None:
        assert isinstance(source, MemorySource)
        await source.close()

    async def crash(self, source: EventSource) -> None:
        assert isinstance(source, MemorySource)
        source.crash()

    async def append(self, partition: int, values: Sequence[bytes | None]) -> None:
        for value in values:
            self._log.append("events", None, value, partition=partition)

    async def records(self) -> Sequence[MemoryRecord]:
        return self._log.records("events")

    async def committed(self) -> Mapping[int, int]:
        return self._log.groups["events", "group"].committed

    async def dead_letters(self) -> MemoryDeadLetters:
        return MemoryDeadLetters(self._log, "events-dlq")

    async def parked(self) -> Sequence[MemoryRecord]:
        return self._log.records("events-dlq")


class MemoryStoreUnderTest:
    """A table in memory."""

    def __init__(self) -> None:
        self.store = MemoryEventStore(lambda: datetime.now(UTC))

    async def insert(self, rows: Sequence[StoredEvent]) -> None:
        self.store.rows |= {row.id: row for row in rows}


class MemoryOversizeUnderTest:
    """Letters kept in memory."""

    def __init__(self) -> None:
        self.letters = MemoryOversizeLetters()

    async def kept(self) -> Sequence[MemoryRecord]:
        return [
            MemoryRecord(*place, letter.record.key, letter.record.value, wire.letter_headers(letter))
            for place, letter in self.letters.kept.items()
        ]


class _OnMemoryLog:
    @pytest.fixture
    def log(self) -> LogUnderTest:
        return MemoryLogUnderTest()


class _OnMemoryStore:
    @pytest.fixture
    def table(self) -> StoreUnderTest:
        return MemoryStoreUnderTest()


class TestMemoryPublisher(_OnMemoryLog, PublisherContract):
    """`MemoryPublisher`."""


class TestMemorySource(_OnMemoryLog, SourceContract):
    """`MemorySource`, alone."""


class TestMemoryGroup(_OnMemoryLog, GroupContract):
    """`MemorySource`, among others."""


class TestMemoryDeadLetters(_OnMemoryLog, DeadLettersContract):
    """`MemoryDeadLetters`."""


class TestMemoryOversizeLetters(OversizeLettersContract):
    """`MemoryOversizeLetters`."""

    @pytest.fixture
    def oversize(self) -> OversizeUnderTest:
        return MemoryOversizeUnderTest()


class TestMemoryAdd(_OnMemoryStore, AddContract):
    """`MemoryEventStore`, written."""


class TestMemoryListing(_OnMemoryStore, ListingContract):
    """`MemoryEventStore`, read."""
