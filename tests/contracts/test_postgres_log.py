"""The embedded event log, tested by the contracts of the log's ports."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.postgres.event_log.dead_letter_queue import PostgresDeadLetterQueue
from adapters.postgres.event_log.deadline_writer import DeadlineWriter
from adapters.postgres.event_log.event_publisher import PostgresEventPublisher
from adapters.postgres.event_log.event_source import PostgresEventSource
from adapters.postgres.event_log.log_reader import PostgresLogReader
from adapters.postgres.event_log.record_reader import Place, read
from adapters.postgres.event_log.record_writer import LogWriter, NewRecord
from adapters.postgres.event_log.replay_publisher import PostgresReplayPublisher
from adapters.postgres.event_log.topics import ensure_topic, partition_ids
from adapters.postgres.schema.tables import log_claims, log_partitions
from application.ports import EventSource, RebalanceListener
from domain.dead_letter import Record
from tests.contracts.dead_letters_contract import DeadLettersContract
from tests.contracts.group_contract import GroupContract, RevocationContract
from tests.contracts.harness import PARTITIONS, LogUnderTest
from tests.contracts.publisher_contract import PublisherContract
from tests.contracts.reader_contract import ReaderContract
from tests.contracts.replay_publisher_contract import ReplayPublisherContract
from tests.contracts.source_contract import SourceContract
from tests.support.listeners import Witness
from tests.support.waiting import PATIENCE

# As `trim` does once every group has read the records.
_EXPIRE = """
WITH head AS (
    UPDATE log_partitions SET first_offset = $2 WHERE topic = 'events' AND partition = $1 RETURNING id
)
DELETE FROM log_records USING head WHERE partition_id = head.id AND "offset" < $2
"""


class PostgresLogUnderTest:
    """A log in PostgreSQL, whose silent members lose their partitions quickly."""

    group = "group"

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._publishers: list[DeadlineWriter] = []
        self._letters: list[PostgresDeadLetterQueue] = []
        self._sources: list[PostgresEventSource] = []

    async def publisher(self) -> PostgresEventPublisher:
        publisher = PostgresEventPublisher(self._engine, "events")
        self._publishers.append(publisher)
        return publisher

    async def replay_publisher(self) -> PostgresReplayPublisher:
        publisher = PostgresReplayPublisher(self._engine, "events")
        self._publishers.append(publisher)
        return publisher

    async def join(self, listener: RebalanceListener | None = None) -> PostgresEventSource:
        source = PostgresEventSource(self._engine, "events", "group", session=1.0, hand_over=PATIENCE)
        source.subscribe(listener or Witness())
        await source.open()
        self._sources.append(source)
        return source

    async def leave(self, source: EventSource) -> None:
        assert isinstance(source, PostgresEventSource)
        self._sources.remove(source)
        await source.close()

    async def crash(self, source: EventSource) -> None:
        assert isinstance(source, PostgresEventSource)
        self._sources.remove(source)
        await source._stop()

    async def reader(self, *, topic: str | None = None) -> PostgresLogReader:
        return PostgresLogReader(self._engine, topic or "events")

    async def expire(self, partition: int, *, before: int) -> None:
        async with self._engine.begin() as connection:
            await connection.exec_driver_sql(_EXPIRE, (partition, before))

    async def append(self, partition: int, values: Sequence[bytes | None]) -> None:
        writer = LogWriter(self._engine, "events")
        await writer.append([NewRecord(partition, None, value, ()) for value in values])
        await writer.close()

    async def records(self) -> Sequence[Record]:
        return await self._read("events")

    async def committed(self) -> Mapping[int, int]:
        claims = select(log_partitions.c.partition, log_claims.c.position).join(log_claims)
        async with self._engine.connect() as connection:
            return {row.partition: row.position for row in await connection.execute(claims)}

    async def dead_letters(self) -> PostgresDeadLetterQueue:
        letters = PostgresDeadLetterQueue(self._engine, "events-dlq")
        self._letters.append(letters)
        return letters

    async def read_dead_letters(self) -> Sequence[Record]:
        return await self._read("events-dlq")

    async def close(self) -> None:
        """Close whatever is open."""
        opened: list[PostgresEventSource | DeadlineWriter | PostgresDeadLetterQueue]
        opened = [*self._sources, *self._publishers, *self._letters]
        await asyncio.gather(*(each.close() for each in opened))

    async def _read(self, topic: str) -> list[Record]:
        ids = await partition_ids(self._engine, topic)
        places = [Place(partition, partition_id, 0) for partition, partition_id in enumerate(ids)]
        return [*await read(self._engine, topic, places, 10_000)]


class _OnPostgresLog:
    @pytest.fixture
    async def log(self, engine: AsyncEngine) -> AsyncIterator[LogUnderTest]:
        await ensure_topic(engine, "events", PARTITIONS)
        await ensure_topic(engine, "events-dlq")
        log = PostgresLogUnderTest(engine)
        yield log
        await log.close()


class TestPostgresPublisher(_OnPostgresLog, PublisherContract):
    """`PostgresEventPublisher`."""


class TestPostgresReplayPublisher(_OnPostgresLog, ReplayPublisherContract):
    """`PostgresReplayPublisher`."""


class TestPostgresSource(_OnPostgresLog, SourceContract):
    """`PostgresEventSource`, alone."""


class TestPostgresGroup(_OnPostgresLog, GroupContract):
    """`PostgresEventSource`, among others."""


class TestPostgresRevocation(_OnPostgresLog, RevocationContract):
    """`PostgresEventSource`, when it has to release partitions."""


class TestPostgresReader(_OnPostgresLog, ReaderContract):
    """`PostgresLogReader`."""


class TestPostgresDeadLetters(_OnPostgresLog, DeadLettersContract):
    """`PostgresDeadLetterQueue`."""
