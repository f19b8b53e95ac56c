"""Roles with no more rights than the documentation grants, by the very statements that it prints."""

import json
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest

from adapters.postgres.sessions.database import Database
from tests.support.command import Finished, user_events
from tests.support.kafka import KafkaServer
from tests.support.legacy_service import execute
from tests.support.postgres import PostgresServer
from tests.support.records import NewRecord, Topics
from tests.support.service import Kind, Service, Services
from tests.support.waiting import eventually
from tests.support.world import World

DOCS = Path(__file__).parents[2] / "docs" / "operations.md"
ROLES = ("migrate", "api", "consumer", "operator")
IN_A_ROW = 3
MOST_BYTES = 100_000


class Rights:
    """The roles, named for this test, and the documented statements with these names."""

    def __init__(self, database: Database, prefix: str) -> None:
        section = DOCS.read_text().partition("### Rights\n")[2].partition("\n### ")[0]
        names = {f"events_{role}": self.role(prefix, role) for role in ROLES} | {"eventsdb": database.name}
        blocks = [re.sub("|".join(names), lambda found: names[found[0]], block) for block in _blocks(section)]
        self.once, self.after_migrating, self.embedded = blocks
        self.database, self._prefix = database, prefix

    @staticmethod
    def role(prefix: str, role: str) -> str:
        """Its name."""
        return f"{prefix}_{role}"

    def as_(self, role: str) -> Database:
        """The database as this role reaches it."""
        return replace(self.database, user=self.role(self._prefix, role), password="change me")

    def environment(self, role: str) -> dict[str, str]:
        """The settings of a process with this role."""
        return {"DB_USER": self.as_(role).user, "DB_PASSWORD": "change me", "DB_MIGRATE": "false"}


def _blocks(section: str) -> list[str]:
    return re.findall(r"```sql\n(.*?)```", section, re.DOTALL)


@pytest.fixture
async def rights(postgres: PostgresServer) -> AsyncIterator[Rights]:
    """An empty database that nobody has rights in but by the statements."""
    prefix = f"test_{uuid4().hex}"
    await postgres.create(prefix)
    rights = Rights(replace(postgres.admin, name=prefix), prefix)
    await execute(
        rights.database, f"REVOKE ALL ON DATABASE {prefix} FROM PUBLIC; REVOKE ALL ON SCHEMA public FROM PUBLIC"
    )
    await execute(rights.database, rights.once)
    yield rights
    await postgres.drop(prefix)
    for role in ROLES:
        await postgres.execute(f"DROP ROLE {Rights.role(prefix, role)}")


@pytest.fixture
def world(services: Services, rights: Rights, kafka: KafkaServer) -> World:
    """A world of which the test itself sees everything."""
    return World(services, rights.database, Topics(kafka.bootstrap))


async def _run(world: World, rights: Rights, role: str, *command: str, **environment: str) -> Finished:
    return await user_events(*command, environment=world.environment | rights.environment(role) | environment)


async def _migrate(world: World, rights: Rights, log: str) -> None:
    finished = await _run(world, rights, "migrate", "migrate")
    assert finished.exit_code == 0, finished.stderr
    await execute(rights.as_("migrate"), rights.after_migrating)
    if log == "postgres":
        await execute(rights.as_("migrate"), rights.embedded)


async def _use(world: World, api: Service) -> None:
    """Publish, store, list, and have a duplicate and a conflict."""
    event_id = uuid4()
    event = {"userId": "user-1", "eventType": "LOGIN", "eventId": str(event_id)}
    for user in ("user-1", "user-1", "user-2"):
        assert (await api.client.post("/events/generate", json=event | {"userId": user})).status_code == 201
    await world.stored([event_id])
    (shown,) = (await api.client.get("/events/processed")).json()
    assert (await api.client.get(f"/events/{event_id}")).json() == shown
    exported = await api.client.get("/events/processed", headers={"Accept": "text/csv"})
    assert exported.status_code == 200


@pytest.mark.parametrize("log", ["kafka", "postgres"])
async def test_documented_rights_are_enough(world: World, rights: Rights, log: str) -> None:
    """For all that both processes and the commands do."""
    await _migrate(world, rights, log)
    await world.topics.make(world.dlq_topic, max_message_bytes=str(MOST_BYTES))
    settings = {"EVENT_LOG": log, "DLQ_MAX_CONSECUTIVE": str(IN_A_ROW)}
    processes: list[Kind] = ["api", "consumer"]
    api, consumer = [await world.run(kind, **settings, **rights.environment(kind)) for kind in processes]
    await _use(world, api)
    await consumer.logged("record dead-lettered")
    if log == "kafka":
        # A dead letter that its topic refuses is kept in the table, and a partition is halted.
        await world.send(NewRecord(b"{" + b"x" * MOST_BYTES), *(NewRecord(b"{oops") for _ in range(IN_A_ROW)))

        async def is_halted() -> bool:
            return bool(await world.query("SELECT FROM partition_states WHERE stop_kind IS NOT NULL"))

        await eventually(is_halted, "a halted partition")
        assert len(await world.query("SELECT FROM oversize_letters")) == 1
        resumed = await _run(world, rights, "operator", "resume", "--yes", "--json")
        assert resumed.exit_code == 0, resumed.stderr
        assert len(json.loads(resumed.stdout)) == 1
    await world.query("INSERT INTO erased_users VALUES ('user-1', clock_timestamp())")
    await world.query("DELETE FROM events")

    async def is_proved() -> bool:
        audited = await _run(world, rights, "operator", "audit", "--json", EVENT_LOG=log)
        assert "42501" not in audited.stderr
        return audited.exit_code == 0 and json.loads(audited.stdout)["counts"]["erased"] > 0

    await eventually(is_proved, "an audit without anything missing")
    for process in (api, consumer):
        assert await process.is_ready()
        assert "42501" not in process.text
        assert "permission denied" not in process.text
        assert await process.terminate() == 0


@pytest.mark.parametrize("kind", ["api", "consumer"])
async def test_schema_that_is_behind_is_named_and_waited_for(world: World, rights: Rights, kind: Kind) -> None:
    """Missing, not to be seen yet, or of an earlier release."""
    process = await world.start(kind, **rights.environment(kind))

    async def says(text: str) -> None:
        async def is_said() -> bool:
            return any(text in line["cause"] for line in process.lines("waiting for dependencies"))

        await eventually(is_said, f"{text!r} in a line")

    await says("the schema is missing and this release needs")
    finished = await _run(world, rights, "migrate", "migrate")
    assert finished.exit_code == 0, finished.stderr
    await execute(world.database, "UPDATE user_events_version SET version_num = '0003'")
    await says("permission denied for table user_events_version: grant")
    await execute(rights.as_("migrate"), rights.after_migrating)
    await says("the schema is at 0003 and this release needs")
    await execute(world.database, "UPDATE user_events_version SET version_num = '9999'")
    await process.ready()
