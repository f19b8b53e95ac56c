"""A topic, a group and a database of one test's own, with the processes that work on them."""

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

from aiokafka.structs import ConsumerRecord

from adapters.postgres.sessions.database import Database
from adapters.records import codec
from domain.event import UserEvent
from tests.support.command import user_events
from tests.support.postgres import connect, environment_of
from tests.support.records import NewRecord, Topics
from tests.support.service import Kind, Service, Services
from tests.support.waiting import eventually

SESSION_SECONDS = 6
"""The shortest session that a broker grants: a killed member is replaced soon."""


@dataclass(frozen=True)
class World:
    """Everything that an event passes on its way."""

    services: Services
    database: Database
    topics: Topics
    topic: str = field(default_factory=lambda: f"test-{uuid4().hex}")

    @property
    def dlq_topic(self) -> str:
        return f"{self.topic}-dlq"

    @property
    def group(self) -> str:
        return f"{self.topic}-group"

    @property
    def environment(self) -> dict[str, str]:
        """The settings that name this world."""
        return {
            "KAFKA_BROKER": self.topics.bootstrap,
            "KAFKA_TOPIC": self.topic,
            "KAFKA_DLQ_TOPIC": self.dlq_topic,
            "KAFKA_CONSUMER_GROUP": self.group,
            "KAFKA_SESSION_TIMEOUT_SECONDS": str(SESSION_SECONDS),
        } | environment_of(self.database)

    async def start(self, kind: Kind, **environment: str) -> Service:
        """Start a process with settings that name this world, unless given others; its port is free or given."""
        return await self.services.start(kind, self.environment | environment)

    async def resume(self, *options: str) -> list[dict[str, Any]]:
        """Run `user-events resume`, as a script would, and read what it printed."""
        finished = await user_events("resume", "--yes", "--json", *options, environment=self.environment)
        assert finished.exit_code == 0, finished.stderr
        stops: list[dict[str, Any]] = json.loads(finished.stdout)
        return stops

    async def run(self, kind: Kind, **environment: str) -> Service:
        """Start a process and wait until it is ready."""
        service = await self.start(kind, **environment)
        await service.ready()
        return service

    async def make_topic(self, *, partitions: int = 1) -> None:
        """Make the topic of the events before the service does."""
        await self.topics.make(self.topic, partitions=partitions)

    async def send(self, *records: NewRecord) -> None:
        """Append records to the topic, past the api."""
        await self.topics.send(self.topic, records)

    async def records(self) -> list[ConsumerRecord]:
        """All records of the topic."""
        return await self.topics.read(self.topic)

    async def letters(self) -> list[ConsumerRecord]:
        """All records of the dead-letter topic."""
        return await self.topics.read(self.dlq_topic)

    async def committed(self) -> dict[int, int]:
        """The group's offsets, by partition."""
        return await self.topics.committed(self.group, self.topic)

    async def query(self, statement: str, *parameters: object) -> list[Any]:
        """Ask the database."""
        connection = await connect(self.database)
        try:
            return list(await connection.fetch(statement, *parameters))
        finally:
            await connection.close()

    async def ids(self) -> set[UUID]:
        """The ids in the table, which its primary key keeps from standing there twice."""
        return {row["id"] for row in await self.query("SELECT id FROM events")}

    async def stored(self, ids: Collection[UUID], *, perhaps: Collection[UUID] = (), within: float = 40) -> None:
        """Return when these are in the table; fail if others are, those of unknown outcome aside.

        Beside a load both sets go on growing: only what is in `ids` by now is waited for.
        """
        wanted = set(ids)

        async def all_are_there() -> bool:
            return await self.ids() >= wanted

        await eventually(all_are_there, f"{len(wanted)} events in the table")
        assert await self.ids() <= {*ids, *perhaps}

    async def consumed(self, count: int) -> None:
        """Return when the group has committed the end of `count` records."""

        async def all_are_committed() -> bool:
            return sum((await self.committed()).values()) >= count

        await eventually(all_are_committed, f"{count} records committed")


def as_records(events: Sequence[UserEvent], partitions: int = 1) -> list[NewRecord]:
    """Records as the api would send them, spread over partitions in turn."""
    return [NewRecord(codec.encode(event), partition=place % partitions) for place, event in enumerate(events)]
